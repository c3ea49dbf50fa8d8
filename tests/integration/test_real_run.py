"""`./dev run`, as a stranger types it: what it starts, what it says and what it leaves."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.real.broker import free_port
from tests.real.demos import SCRIPTS
from tests.real.engine import answers
from tests.real.machine import SOCKET, alone
from tests.real.process import Process, command_line
from tests.real.until import until

ROOT = Path(__file__).parents[2]
CLEAN = ("DOCKER_HOST", "MQTT_BROKER", "MQTT_USERNAME", "MQTT_PASSWORD", "MQTT_TOPIC")


class Run:
    """One `./dev run` with a data folder of its own."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.listen = f"127.0.0.1:{free_port()}"
        options = ["--data", str(folder), "--listen", self.listen]
        command = [sys.executable, str(ROOT / "dev"), "run", *options]
        self._log = folder.with_suffix(".log")
        kept = {**dict.fromkeys(CLEAN, ""), **env}
        self.process = Process(command, self._log, env=kept)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_until_up(self) -> None:
        until(lambda: "Towline is up" in self.said or not self.process.running, 60)
        assert self.process.running, self.said

    def stop(self) -> int | None:
        self.process.signal(signal.SIGINT)
        until(lambda: not self.process.running, 40)
        return self.process.exit_code

    def logs(self, query: str) -> list[dict[str, Any]]:
        url = f"http://{self.listen}/api/v1/logs?{query}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["logs"]
        return found


@contextmanager
def running(folder: Path, **env: str) -> Iterator[Run]:
    run = Run(folder, env)
    run.process.start()
    try:
        run.wait_until_up()
        yield run
    finally:
        run.process.stop(40)


def processes_of(folder: Path) -> list[str]:
    """Everything that runs with a path below the folder in its command line."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    lines = [" ".join(command_line(pid)) for pid in pids if pid != os.getpid()]
    return [line for line in lines if str(folder) in line]


@pytest.mark.docker
@pytest.mark.broker
@pytest.mark.slow
def test_real_containers_reach_the_api_and_mqtt_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder) as run:
        names = {f"towline-demo-{service}-1" for service in SCRIPTS}
        until(lambda: names <= {each.get("containerName") for each in run.logs("limit=200")}, 20)
        assert until(lambda: run.logs("level=error&serviceName=scheduler"), 20)
        line = re.search(r"mosquitto_sub .*", run.said)
        assert line is not None
        once = ["-R", "-C", "1", "-W", "20"]
        taken = subprocess.run([*shlex.split(line[0]), *once], capture_output=True, check=True)
        topic, payload = taken.stdout.split(b" ", 1)
        assert topic.startswith(b"towline/")
        assert json.loads(payload)["containerName"] in names
        assert run.stop() == 0
    assert processes_of(folder) == []


@pytest.mark.broker
@pytest.mark.skipif(answers(SOCKET), reason="this machine has a Docker Engine of its own")
def test_where_no_engine_can_be_had_child_processes_log_instead(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    dockerd = programs / "dockerd"
    dockerd.write_text("#!/bin/sh\necho cgroups are not mounted\nexit 1\n")
    dockerd.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    with running(tmp_path / "data", PATH=path) as run:
        assert "no Docker Engine: cgroups are not mounted" in run.said
        assert "source kind `demo`" in run.said
        names = {"demo-web", "demo-api", "demo-worker"}
        until(lambda: names <= {each.get("containerName") for each in run.logs("limit=200")}, 20)
        assert run.stop() == 0
    assert processes_of(tmp_path / "data") == []


@pytest.mark.docker
@pytest.mark.broker
def test_a_killed_run_takes_what_it_started_along(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder) as run:
        assert len(processes_of(folder)) > 2
        run.process.kill()
        until(lambda: processes_of(folder) == [], 40)


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    run = Run(tmp_path / "data", {})
    host, _, port = run.listen.partition(":")
    with socket.create_server((host, int(port))):
        run.process.start()
        until(lambda: not run.process.running, 20)
    assert run.process.exit_code == 1
    said = f"./dev run: {run.listen} is taken; choose another with --listen HOST:PORT"
    assert run.said.strip() == said


def test_a_second_run_does_not_touch_the_first_ones_folder(tmp_path: Path) -> None:
    run = Run(tmp_path / "data", {})
    with alone(run.folder / "workshop", "test"):
        run.process.start()
        until(lambda: not run.process.running, 20)
    assert run.process.exit_code == 1
    assert "another ./dev run is using" in run.said
