"""A container's history is removed, Towline is killed: it does not come back from Docker."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.integration.test_docker_killed import towline
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.process import Process
from tests.real.until import until

LINES = "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo $i; done"
MORE = "; while [ ! -e /go ]; do usleep 10000; done; echo more"


def ask(process: Process, method: str, path: str) -> dict[str, Any]:
    """What the API answers; an empty one while it does not."""
    listen = process.command[process.command.index("--listen") + 1]
    request = urllib.request.Request(f"http://{listen}/api/v1/{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return {}


def count(process: Process, name: str) -> int:
    return int(ask(process, "GET", f"logs/count?container={name}&not=Container").get("count", -1))


def test_what_was_removed_stays_away_after_a_kill(
    tmp_path: Path, engine: Engine, containers: Containers
) -> None:
    containers.run(LINES + MORE, name="secretive")
    containers.run(LINES, name="other")
    process = towline(tmp_path, engine)
    process.start()
    try:
        until(lambda: count(process, "secretive") == count(process, "other") == 500, 30, pause=0.1)
        assert ask(process, "DELETE", "logs?container=secretive&not=Container") == {"removed": 500}
        assert (count(process, "secretive"), count(process, "other")) == (0, 500)
        process.kill()
        process = towline(tmp_path, engine)
        process.start()
        containers.cli("exec", "secretive", "touch", "/go")
        until(lambda: count(process, "secretive") > 0, 30, pause=0.1)
        containers.wait("secretive")
        found = ask(process, "GET", "logs?container=secretive&not=Container")["logs"]
        assert [record["message"] for record in found] == ["more"]
        assert count(process, "other") == 500
        told = ask(process, "GET", "logs?sourceType=manager&text=removed")["logs"]
        assert "500 records removed (container=secretive" in told[-1]["message"]
    finally:
        process.stop()
