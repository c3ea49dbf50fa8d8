"""The image of the app: built as the Dockerfile says, run as Supervisor would."""

from __future__ import annotations

import fcntl
import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest
import yaml

from tests.real.app import APP, OTHER, OURS, ROOT, SUPERVISOR, Site, build, docker
from tests.real.engine import Engine
from tests.real.journal import Journal, send
from tests.real.listener import Listener
from tests.real.supervisor import app
from tests.real.until import until
from towline import __version__

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

WORKSHOP = ROOT / "data" / "workshop" / "image"


@pytest.fixture(scope="module")
def image() -> Iterator[Engine]:
    """An engine that has the image; it is kept, so that only what changed is built again."""
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    with (WORKSHOP / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with Engine(WORKSHOP / "engine") as engine:
            engine.image()
            build(engine, WORKSHOP)
            yield engine


@pytest.fixture
def site(image: Engine, journal: Journal, tmp_path: Path) -> Iterator[Site]:
    with Site(image, tmp_path, config_file="site.yaml", log_level="debug") as found:
        found.supervisor.broker(1883, username="addons", password="first")
        yield found


def speak(name: str, text: str, *, id_: str = "") -> None:
    """A line of a container in the journal, as Docker's driver writes it."""
    about = {"CONTAINER_NAME": name, "CONTAINER_ID_FULL": id_ or secrets.token_hex(32)}
    send({"MESSAGE": text, "PRIORITY": "6", "IMAGE_NAME": "some/app:1", **about})


def status(site: Site) -> dict[str, Any]:
    code, body = site.get("/api/v1/status", SUPERVISOR)
    found: dict[str, Any] = json.loads(body)["components"] if code == 200 else {}
    return found


def reason(site: Site, part: str) -> str:
    return str(status(site).get(part, {}).get("reason"))


def devices(heard: Listener) -> dict[str, dict[str, Any]]:
    return {m.topic.split("/")[-2]: m.json() for m in list(heard.messages) if m.payload}


def test_programs_translations_and_labels_are_in_the_image(image: Engine) -> None:
    def shown(*words: str) -> str:
        return docker(image, "run", "--rm", "--entrypoint", words[0], APP, *words[1:])

    assert shown("towline", "--version").endswith(__version__)
    for program in ("journalctl", "git", "ssh"):
        assert shown("which", program)
    script = "from towline.homeassistant.words import Words; print(Words('de').entity('running'))"
    assert shown("/opt/towline/bin/python", "-c", script) == "Läuft"
    labels = json.loads(docker(image, "inspect", "--format={{json .Config.Labels}}", APP))
    assert labels["io.hass.type"] == "app"
    assert labels["io.hass.version"] == "test"


def test_an_app_that_has_just_been_installed_shows_containers_in_home_assistant(site: Site) -> None:
    name = f"core_{secrets.token_hex(3)}"
    quiet = f"core_{secrets.token_hex(3)}"
    site.supervisor.apps = [app(name, version="1.2.3"), app(quiet, "stopped")]
    with site.listen("homeassistant/#") as heard:
        site.start()
        site.up()
        speak(f"app_{name}", "it has begun")
        until(lambda: f"c_{name}" in devices(heard), 120, "a device")
        found = devices(heard)[f"c_{name}"]
        assert devices(heard)["towline"]["dev"]["sw"] == __version__
        assert found["dev"]["sw"] == "1.2.3"
        assert "binary_sensor_running" in found["cmps"]
        until(lambda: f"c_{quiet}" in devices(heard), 60, "a device of an app that says nothing")
        line = f"/api/v1/logs?container=app_{name}"
        until(lambda: b"it has begun" in site.get(line, SUPERVISOR)[1], 120)
        site.supervisor.apps = [app(name, "error")]
        incidents = f"towline/home/containers/{name}/incident"
        with site.listen(incidents) as told:
            until(lambda: told.messages, 90, "an incident")
        assert told.messages[0].json()["event_type"] == "die"
        assert told.messages[0].json()["stdout"] == ["it has begun"]
    first = (site.config / "site.yaml").read_text()
    assert yaml.safe_load(first)["brokers"] == {"home": {"servers": ["supervisor"]}}
    assert all(part["state"] == "up" for part in status(site).values()), status(site)
    until(lambda: site.state("{{.State.Health.Status}}") == "healthy", 60, "its own check")


def test_it_stops_in_time_with_everything_written_and_a_backup_holds_no_line(site: Site) -> None:
    word = secrets.token_hex(8)
    site.start()
    site.up()
    with site.listen("towline/home/status") as heard:
        until(lambda: [m.payload for m in heard.messages] == [b"online"], 60)
        speak("app_core_ssh", f"the last word is {word}")
        until(lambda: word in str(site.get("/api/v1/logs?limit=1000", SUPERVISOR)[1]), 60)
        assert site.stop() == 0, site.log()
        until(lambda: heard.messages[-1].payload == b"offline", 10)
    stored = [file for file in sorted(site.data.rglob("*")) if file.is_file()]
    assert any(word.encode() in file.read_bytes() for file in stored)
    kept = [file for file in stored if not is_excluded(file)]
    assert {"options.json", "last-good.yaml"} <= {file.name for file in kept}
    assert not [file for file in kept if word.encode() in file.read_bytes()]
    assert sum(file.stat().st_size for file in kept) < 1 << 20


def is_excluded(file: Path) -> bool:
    """As Supervisor decides: patterns from the right of the whole path (`PurePath.match`)."""
    found = yaml.safe_load((ROOT / "addon" / "towline" / "config.yaml").read_text())
    return any(PurePath(file).match(pattern) for pattern in found["backup_exclude"])


def test_only_supervisor_s_address_gets_in_without_a_token(site: Site) -> None:
    site.start()
    site.up()
    for path in ("/api/v1/logs", "/api/v1/status"):
        assert site.get(path, SUPERVISOR)[0] == 200
        for stranger in (OTHER, OURS):
            assert site.get(path, stranger)[0] == 403
            borrowed = {"X-Ingress-Path": "/api/hassio_ingress/x", "X-Forwarded-For": SUPERVISOR}
            assert site.get(path, stranger, **borrowed)[0] == 403
    assert site.get("/", SUPERVISOR)[0] == 200


def test_a_site_without_a_broker_app_and_a_file_at_fault_are_said_and_mended(site: Site) -> None:
    site.supervisor.mqtt = None
    site.start()
    site.up()
    until(lambda: "no MQTT broker app" in reason(site, "brokers.home"), 60)
    site.supervisor.allowed = False
    until(lambda: "services: mqtt" in reason(site, "brokers.home"), 60)
    file = site.config / "site.yaml"
    file.write_text(file.read_text().replace("store:", "stor:"))
    until(lambda: "stor" in reason(site, "configuration"), 60)
    assert site.stop() == 0
    docker(site.engine, "start", site.name)
    site.up()
    until(lambda: "stor" in reason(site, "configuration"), 60)
    assert "brokers.home" in status(site), "it runs on the last good one"
    file.write_text(file.read_text().replace("stor:", "store:"))
    until(lambda: status(site)["configuration"]["state"] == "up", 60)
    site.supervisor.allowed = True
    site.supervisor.broker(1883, username="addons", password="first")
    until(lambda: status(site)["brokers.home"]["state"] == "up", 90)


def test_protection_mode_is_a_problem_of_the_full_flavour_and_the_journal_is_read(
    site: Site,
) -> None:
    site.supervisor.ourselves = {"docker_api": True, "protected": True}
    site.start()
    site.up()
    until(lambda: "Protection mode" in reason(site, "supervisor"), 60)
    assert status(site)["sources.journal"]["state"] == "up"
    assert site.stop() == 0
    docker(site.engine, "rm", "--volumes", site.name)
    site.supervisor.ourselves = {"docker_api": True, "protected": False}
    site.start(f"{site.engine.socket}:/run/docker.sock:ro")
    site.up()
    until(lambda: status(site).get("sources.docker", {}).get("state") == "up", 60)
    assert status(site)["supervisor"]["state"] == "up"


def test_it_stops_in_time_while_supervisor_does_not_answer(site: Site) -> None:
    site.supervisor.talking.clear()
    site.start()
    site.up()
    until(lambda: "cannot be reached" in reason(site, "brokers.home"), 60)
    assert site.stop() == 0, site.log()


def test_all_that_runs_in_the_app_may_be_run_by_its_profile(site: Site) -> None:
    site.start()
    site.up()
    until(lambda: status(site).get("sources.journal", {}).get("state") == "up", 60)
    # one that has ended meanwhile has no program any more
    script = "for p in /proc/[0-9]*; do readlink -f $p/exe || true; done"
    running = site.inside("sh", "-c", script).split()
    sometimes = [site.inside("readlink", "-f", f"/usr/bin/{name}") for name in ("git", "ssh", "sh")]
    assert any("journalctl" in program for program in running)
    for name in ("towline", "towline-full"):
        rules = executable_by((ROOT / "addon" / name / "apparmor.txt").read_text())
        for program in {*running, *sometimes}:
            assert any(rule.fullmatch(program) for rule in rules), f"{name}: {program}"


def executable_by(profile: str) -> list[re.Pattern[str]]:
    """The paths that a profile lets run, `**` any depth and `*` one name."""
    globs = re.findall(r"(?m)^\s*(/\S+) [a-z]*ix,$", profile)
    return [
        re.compile(re.escape(one).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")) for one in globs
    ]


def test_the_app_leaves_its_own_log_in_the_journal_alone(site: Site) -> None:
    site.start()
    site.up()
    script = "from towline.sources.own import own_container_ids as own; print(*own())"
    assert site.name in site.inside("/opt/towline/bin/python", "-c", script).split()
