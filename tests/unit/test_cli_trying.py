from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.store.rig import records
from towline.cli import main

HEAD = """version: 1
device: {id: pi}
brokers: {home: {servers: [mqtt://nas]}}
backends: {elk: {type: mqtt, broker: home}, mqtt: {type: mqtt, broker: home}}
routes:
- {match: {regex: payment}, to: elk}
- {match: {min_level: warn}, to: mqtt}
"""
GOOD = HEAD + "tests:\n- {name: pays, given: {message: payment}, expect: {to: elk}}\n"
BAD = (
    GOOD
    + """- name: "warns\\e[31m"
  given: {service: web, message: "WARN payment"}
  expect: {to: elk, level: info}
"""
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("TOWLINE_CONFIG", "MQTT_BROKER", "TOWLINE_URL", "TOWLINE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "none.yaml").write_text(HEAD)
    (tmp_path / "broken.yaml").write_text(GOOD.replace("to: elk}}", "to: elq}}"))
    return tmp_path


def towline(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_cases_that_pass_are_counted(folder: Path) -> None:
    found = towline("test", "good.yaml", "none.yaml")
    assert (found.exit_code, found.output) == (
        0,
        "good.yaml: 1 test passed\n\nnone.yaml: no tests\n",
    )


def test_a_case_that_fails_is_told_with_its_place_and_what_came(folder: Path) -> None:
    found = towline("test", "bad.yaml")
    assert found.exit_code == 1
    assert found.output == (
        "bad.yaml:10:3: warns\\x1b[31m\n"
        "    given     service web: WARN payment\n"
        "    expected  to: [elk]\n"
        "    came          [elk, mqtt]\n"
        "    expected  level: info\n"
        "    came             warn\n"
        "\n"
        "bad.yaml: 2 tests, 1 failed\n"
    )


def test_a_file_that_is_not_valid_shows_its_problems_and_tests_nothing(folder: Path) -> None:
    found = towline("test", "broken.yaml", "bad.yaml")
    assert found.exit_code == 2
    assert "broken.yaml:9:56: the backend 'elq' is not defined" in found.output
    assert "did you mean 'elk'?" in found.output
    assert "broken.yaml: not valid, nothing was tested (1 problem)" in found.output
    assert "bad.yaml: 2 tests, 1 failed" in found.output


def test_a_file_that_is_not_there_is_not_valid(folder: Path) -> None:
    found = towline("test", "missing.yaml")
    assert found.exit_code == 2
    assert "there is no such file" in found.output
    assert towline("test").exit_code == 2


def test_programs_get_every_case(folder: Path) -> None:
    found = towline("test", "good.yaml", "bad.yaml", "broken.yaml", "--format", "json")
    answer = json.loads(found.output)
    assert found.exit_code == 2
    assert answer["passed"] is False
    assert answer["files"] == {
        "good.yaml": {"valid": True, "tests": 1, "failed": 0},
        "bad.yaml": {"valid": True, "tests": 2, "failed": 1},
        "broken.yaml": {"valid": False, "tests": 0, "failed": 0},
    }
    assert [case["passed"] for case in answer["tests"]] == [True, True, False]
    assert answer["tests"][2]["failures"][0] == {
        "expectation": "to",
        "expected": ["elk"],
        "came": ["elk", "mqtt"],
    }
    assert answer["problems"][0]["path"] == "tests[0].expect.to"


def test_code_reviews_get_a_note_beside_each_failed_case(folder: Path) -> None:
    found = towline("test", "good.yaml", "bad.yaml", "--format", "ci")
    assert found.exit_code == 1
    (note,) = found.output.splitlines()
    assert note.startswith("::error file=bad.yaml,line=10,col=3::warns")
    assert "to: expected [elk], came [elk, mqtt]; level: expected info, came warn" in note


def test_the_file_of_the_environment_is_tested(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWLINE_CONFIG", "bad.yaml")
    assert towline("test").exit_code == 1


def test_testing_loads_nothing_that_connects(folder: Path) -> None:
    heavy = ["starlette", "uvicorn", "paho", "docker", "aiohttp", "zstandard", "watchfiles"]
    code = (
        "import sys\nfrom towline.cli import main\n"
        "try: main(['test', 'good.yaml'])\nexcept SystemExit: 0\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    paths = {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=paths
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_plan_needs_a_towline_that_answers(folder: Path) -> None:
    found = towline("plan", "good.yaml", "--url", "http://127.0.0.1:9")
    assert found.exit_code == 1
    assert "no Towline answers at http://127.0.0.1:9" in found.output
    assert towline("preview", "good.yaml", "--url", "http://127.0.0.1:9").exit_code == 2


@pytest.mark.parametrize("command", ["plan", "preview"])
def test_without_a_file_there_is_nothing_to_try(folder: Path, command: str) -> None:
    assert towline(command).exit_code == 2
    found = towline(command, "missing.yaml")
    assert found.exit_code == 1
    assert "there is no such file" in found.output


def stored(folder: Path) -> Path:
    data = folder / "data"
    (data / "logs").mkdir(parents=True)
    made = records(20)
    rows = b"".join(each.json.replace(b'"line 7"', b'"payment"') + b"\n" for each in made)
    (data / "logs" / f"2026-11-21T10-00-00.000Z-{0:016x}.ndjson").write_bytes(rows)
    return data


def test_a_data_folder_is_previewed_without_asking_anyone(folder: Path) -> None:
    data = stored(folder)
    (data / "last-good.yaml").write_text(HEAD.replace("payment", "line 1"))
    found = towline("preview", "good.yaml", "--data", "data", "--last", "9999w", "--format", "json")
    assert found.exit_code == 0, found.output
    answer = json.loads(found.output)
    assert answer["records"] == 20
    assert (answer["backends"]["elk"]["now"], answer["backends"]["elk"]["then"]) == (11, 1)
    (sample,) = answer["backends"]["elk"]["gained"]["samples"]
    assert sample["message"] == "payment"


def test_a_preview_is_a_table_with_samples(folder: Path) -> None:
    stored(folder)
    found = towline("preview", "good.yaml", "--data", "data", "--last", "9999w", "--limit", "15")
    rows = found.output.splitlines()
    assert rows[0].startswith("15 records from ")
    assert [row.split() for row in rows[2:5]] == [
        ["backend", "now", "then"],
        ["elk", "?", "1"],
        ["mqtt", "?", "0"],
    ]
    assert "14 would go to no backend" in rows
    assert rows[-1].endswith(" info  web line 8")


def test_a_folder_that_holds_no_records_is_told(folder: Path) -> None:
    found = towline("preview", "good.yaml", "--data", "nowhere")
    assert (found.exit_code, found.output) == (
        1,
        "towline: nowhere is no data folder: No such file or directory\n",
    )
    (folder / "data" / "logs").mkdir(parents=True)
    found = towline("preview", "good.yaml", "--data", "data")
    assert (found.exit_code, found.output) == (0, "no records: nothing to try the file on\n")


@pytest.mark.parametrize("last", ["1", "h", "-1h", "1 h"])
def test_a_time_that_is_none_is_refused(folder: Path, last: str) -> None:
    assert towline("preview", "good.yaml", f"--last={last}").exit_code == 2
