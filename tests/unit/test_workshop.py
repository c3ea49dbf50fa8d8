"""The parts of `./dev` that need nothing started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.real import packages
from tests.real.environment import DEVELOP, RUN, Environment
from tests.real.invitation import curl_line, mosquitto_line, page_url
from tests.real.machine import split_address
from tests.real.work import Failed, work

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / name for name in DEVELOP]


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:8099", "http://127.0.0.1:8099"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:8099", "http://[::1]:8099"),
        ("pi.local:1", "http://pi.local:1"),
    ],
)
def test_the_page_is_named_as_this_machine_reaches_it(listen: str, url: str) -> None:
    assert page_url(listen) == url
    assert url + "/api/v1/logs?" in curl_line(listen)


@pytest.mark.parametrize("text", ["", "8099", "host", "host:", ":8099", "host:port", "h:99999"])
def test_an_address_that_is_none_is_refused_in_words(text: str) -> None:
    with pytest.raises(Failed, match="expected HOST:PORT"):
        split_address(text)


@pytest.mark.parametrize(
    ("broker", "environ", "line"),
    [
        ("mqtt://127.0.0.1:1884", {}, "-h 127.0.0.1 -p 1884 -v -t 'towline/#'"),
        ("hub", {}, "-h hub -p 1883 -v -t 'towline/#'"),
        ("mqtts://a,mqtt://b", {}, "-h a -p 8883 --tls-use-os-certs -v -t 'towline/#'"),
        ("hub:1", {"MQTT_TOPIC": "c/{device}/x-{level}"}, "-h hub -p 1 -v -t 'c/+/+/#'"),
    ],
)
def test_the_subscriber_finds_what_towline_publishes(
    broker: str, environ: dict[str, str], line: str
) -> None:
    assert mosquitto_line(broker, environ) == f"mosquitto_sub {line}"


def test_no_password_is_printed() -> None:
    shown = mosquitto_line("hub", {"MQTT_USERNAME": "ann", "MQTT_PASSWORD": "hunter2"})
    assert "hunter2" not in shown
    assert '-u "$MQTT_USERNAME" -P "$MQTT_PASSWORD"' in shown


def test_only_what_is_missing_is_installed() -> None:
    there = {"dockerd", "mosquitto", "git", "ssh", *(tool.command for tool in packages.TESTS)}
    lacking = packages.missing(packages.ALL, lambda name: name if name in there else None)
    assert {tool.package for tool in lacking} == {
        "docker-cli",
        "busybox-static",
        "mosquitto-clients",
    }


def test_an_engine_that_is_to_be_installed_brings_its_own_command() -> None:
    lacking = packages.missing(packages.ENGINE, lambda _: None)
    assert [tool.package for tool in lacking] == ["docker.io"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_and_has_a_hash_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "index" not in text
    for requirement in re.split(r"\n(?! )", text.strip()):
        assert re.match(r"[a-z0-9.-]+==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_all_locks_agree_on_versions() -> None:
    pins: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in re.findall(r"^([a-z0-9.-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            pins.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert _names(project["project"]["dependencies"]) <= _locked("requirements.txt")
    assert _names(project["build-system"]["requires"]) <= _locked("requirements-build.txt")
    assert _names(project["dependency-groups"]["dev"]) <= _locked("requirements-dev.txt")


def test_an_environment_is_ready_until_a_lock_changes(tmp_path: Path) -> None:
    for name in (*DEVELOP, "pyproject.toml"):
        (tmp_path / name).write_text("")
    environment = Environment(tmp_path, tmp_path)
    environment.folder.mkdir()
    assert not environment.ready(RUN)
    environment.stamp(DEVELOP)
    assert environment.ready(DEVELOP)
    assert environment.ready(RUN)
    (tmp_path / "requirements.txt").write_text("changed")
    assert not environment.ready(RUN)


def test_what_is_ready_to_run_is_not_ready_to_develop(tmp_path: Path) -> None:
    for name in (*DEVELOP, "pyproject.toml"):
        (tmp_path / name).write_text("")
    environment = Environment(tmp_path, tmp_path)
    environment.folder.mkdir()
    environment.stamp(RUN)
    assert environment.ready(RUN)
    assert not environment.ready(DEVELOP)


def test_failed_work_shows_the_end_of_its_output(tmp_path: Path) -> None:
    script = "print('reason at the end'); raise SystemExit(3)"
    with pytest.raises(Failed, match=r"trying: failed(.|\n)*reason at the end"):
        work("trying", [sys.executable, "-c", script], log=tmp_path / "logs" / "x.log")


def test_help_names_every_verb_and_the_readme_only_verbs_that_exist() -> None:
    shown = _dev("help")
    assert shown.returncode == 0
    verbs = set(re.findall(r"^\./dev (\w+)", shown.stdout, re.MULTILINE))
    assert verbs == {"run", "test", "check", "bench", "setup", "lock", "copy", "help"}
    named = set(re.findall(r"\./dev (\w+)", (ROOT / "README.md").read_text()))
    assert {"run", "test"} <= named <= verbs


def test_an_unknown_verb_is_refused_with_the_help() -> None:
    shown = _dev("frobnicate")
    assert shown.returncode == 2
    assert "unknown verb 'frobnicate'" in shown.stderr
    assert "./dev run" in shown.stderr


def test_continuous_integration_runs_the_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert os.access(ROOT / "dev", os.X_OK)
    assert 'exec ./dev test "$@"' in script.read_text()


def test_the_store_of_home_assistant_can_read_the_repository() -> None:
    described = yaml.safe_load((ROOT / "repository.yaml").read_text())
    assert described.keys() <= {"name", "url", "maintainer"}
    assert described["name"]


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9-]", each)[0].lower() for each in requirements}


def _locked(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / lock).read_text(), re.MULTILINE))


def _dev(verb: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "dev"), verb]
    return subprocess.run(command, capture_output=True, text=True, check=False)
