from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from towline.cli import main

GOOD = "version: 1\ndevice: {id: pi}\n"
BAD = "version: 1\nstore:\n  memry: 5\n  flush: never\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("TOWLINE_CONFIG", "MQTT_BROKER", "TOWLINE_URL", "TOWLINE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path


def towline(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=env)


def test_a_valid_file_is_said_to_be_valid(folder: Path) -> None:
    found = towline("check", "good.yaml")
    assert (found.exit_code, found.output) == (0, "good.yaml: valid\n")


def test_every_problem_is_told_with_its_place_and_the_nearest_word(folder: Path) -> None:
    found = towline("check", "bad.yaml")
    assert found.exit_code == 1
    assert "bad.yaml:3:3: " in found.output
    assert "bad.yaml:4:10: " in found.output
    assert "did you mean 'memory'?" in found.output
    assert found.output.endswith("\n2 problems\n")


def test_one_bad_file_among_good_ones_fails_the_check(folder: Path) -> None:
    found = towline("check", "good.yaml", "bad.yaml")
    assert found.exit_code == 1
    assert found.output.startswith("good.yaml: valid\nbad.yaml:3:3: ")


@pytest.mark.parametrize(
    ("name", "said"),
    [("missing.yaml", "there is no such file"), (".", "the file cannot be read: not a regular")],
)
def test_a_file_that_cannot_be_read_is_a_problem(folder: Path, name: str, said: str) -> None:
    found = towline("check", name)
    assert found.exit_code == 1
    assert said in found.output


def test_programs_get_json(folder: Path) -> None:
    found = towline("check", "bad.yaml", "good.yaml", "--format", "json")
    answer = json.loads(found.output)
    assert found.exit_code == 1
    assert answer["valid"] is False
    assert answer["files"] == {"bad.yaml": False, "good.yaml": True}
    assert [(each["line"], each["path"]) for each in answer["problems"]] == [
        (3, "store.memry"),
        (4, "store.flush"),
    ]
    valid = towline("check", "good.yaml", "--format", "json")
    assert valid.exit_code == 0
    assert json.loads(valid.output)["valid"] is True


def test_code_reviews_get_annotations(folder: Path) -> None:
    found = towline("check", "bad.yaml", "--format", "ci")
    assert found.exit_code == 1
    assert found.output.startswith("::error file=bad.yaml,line=3,col=3::")
    assert len(found.output.splitlines()) == 2
    assert towline("check", "good.yaml", "--format", "ci").output == ""


def test_without_a_file_it_is_the_one_that_run_takes(folder: Path) -> None:
    (folder / "config").mkdir()
    (folder / "config" / "towline.yaml").write_text(GOOD)
    assert towline("check").output == "config/towline.yaml: valid\n"
    assert towline("check", TOWLINE_CONFIG="bad.yaml").exit_code == 1


def test_with_nothing_to_check_it_asks_for_a_file(folder: Path) -> None:
    found = towline("check")
    assert found.exit_code == 2
    assert "there is no config/towline.yaml here; which FILE should be checked?" in found.output


def test_a_secret_beside_the_file_is_looked_up(folder: Path) -> None:
    (folder / "good.yaml").write_text(
        GOOD + "brokers: {home: {servers: [mqtt://b], username: u, password: !secret mqtt}}\n"
    )
    assert towline("check", "good.yaml").exit_code == 1
    (folder / "secrets.yaml").write_text("mqtt: hunter2\n")
    (folder / "secrets.yaml").chmod(0o600)
    found = towline("check", "good.yaml")
    assert (found.exit_code, found.output) == (0, "good.yaml: valid\n")


def test_a_warning_is_told_and_makes_no_file_invalid(folder: Path) -> None:
    (folder / "good.yaml").write_text(
        GOOD + "brokers: {home: {servers: [mqtt://b], username: u, password: !secret mqtt}}\n"
    )
    (folder / "secrets.yaml").write_text("mqtt: hunter2\n")
    (folder / "secrets.yaml").chmod(0o644)
    found = towline("check", "good.yaml")
    assert found.exit_code == 0
    assert found.output.startswith("secrets.yaml:1:1: warning: everybody on this machine can read")
    assert found.output.endswith("\ngood.yaml: valid\n")
    answer = json.loads(towline("check", "good.yaml", "--format", "json").output)
    assert (answer["valid"], answer["problems"][0]["severity"]) == (True, "warning")
    assert towline("check", "good.yaml", "--format", "ci").output.startswith("::warning file=")


@pytest.mark.parametrize("absolute", [True, False])
def test_files_of_the_configuration_folder_are_included(folder: Path, absolute: bool) -> None:
    (folder / "devices").mkdir()
    (folder / "shared").mkdir()
    (folder / "shared" / "store.yaml").write_text("memory: 5\n")
    (folder / "devices" / "pi.yaml").write_text(GOOD + "store: !include ../shared/store.yaml\n")
    top = str(folder) if absolute else "."
    assert towline("check", "devices/pi.yaml", "--folder", top).exit_code == 0
    assert "leads out of the configuration folder" in towline("check", "devices/pi.yaml").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["logs", "--level", "loud"], "'loud' is not one of"),
        (["logs", "-n", "many"], "expected a number, or all"),
        (["logs", "--url", "ftp://x"], "expected http://host:port, not 'ftp://x'"),
        (["logs", "--url", "http://u:p@x"], "a token has an option of its own"),
        (["logs", "--url", "http://x:99999"], "Port out of range"),
        (["status", "--token", "a\nb"], "a token holds plain characters only"),
        (["tail", "--until", "1h"], "No such option"),
        (["check", "--format", "xml"], "'xml' is not one of"),
    ],
)
def test_a_wrong_command_line_is_told_in_words(arguments: list[str], said: str) -> None:
    found = towline(*arguments)
    assert found.exit_code == 2
    assert said in found.output


@pytest.mark.parametrize("command", [[], ["run"], ["check"], ["logs"], ["tail"], ["status"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    found = towline(*command, "--help")
    assert found.exit_code == 0
    assert "Usage: main" in found.output


HEAVY = "{'docker', 'aiohttp', 'rich', 're2', 'starlette', 'uvicorn', 'websockets', 'paho'}"


def modules(code: str, expression: str, folder: Path) -> str:
    """What `expression` says of the modules that `code` imports, in a Python of its own."""
    script = f"import sys\n{code}\nfound = {{name.partition('.')[0] for name in sys.modules}}\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}print(sorted({expression}))"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def test_check_imports_nothing_heavy(folder: Path) -> None:
    code = "from towline.cli import main\ntry: main(['check', 'good.yaml'])\nexcept SystemExit: 0"
    assert modules(code, f"found & {HEAVY}", folder) == "[]"


@pytest.mark.parametrize("command", ["logs", "status"])
def test_asking_a_towline_imports_nothing_heavy(folder: Path, command: str) -> None:
    asked = f"main(['{command}', '--url', '127.0.0.1:9'])"
    code = f"from towline.cli import main\ntry: {asked}\nexcept SystemExit: 0"
    heavy = HEAVY.replace("}", ", 'yaml', 'voluptuous', 'msgspec', 'asyncio'}")
    assert modules(code, f"found & {heavy}", folder) == "[]"


def test_importing_towline_imports_no_third_party_module(folder: Path) -> None:
    ours = "found - set(sys.stdlib_module_names) - before"
    code = "before = {name.partition('.')[0] for name in sys.modules}\nimport towline"
    assert modules(code, ours, folder) == "['towline']"


def test_what_towline_exports_can_be_had() -> None:
    import towline as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018
