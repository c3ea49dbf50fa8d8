"""The disk under the store full or failing: nothing stops, and nothing is lost by it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_docker_killed import towline as run
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.journal import Journal
from tests.real.process import Process
from tests.real.until import until
from towline.store import codec

LINES = 4000
SCRIPT = f"""
    i=0; while [ $i -lt {LINES} ]; do
        i=$((i+1)); echo $i; [ $((i % 40)) = 0 ] && usleep 20000
    done
"""
CONFIG = """version: 1
store: {flush: 200ms, memory: 200, retention: {min_free: 1KB}}
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The data folder on a disk of 8 MB."""
    folder = tmp_path / "data"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def started(folder: Path, engine: Engine, more: str = "") -> Process:
    process = run(folder, engine)
    (folder / "towline.yaml").write_text(CONFIG + more)
    process.start()
    until(lambda: asked(process, "health") is not None, 30)
    return process


def asked(process: Process, path: str) -> dict[str, Any] | None:
    """What the API answers; None while it does not."""
    listen = process.command[process.command.index("--listen") + 1]
    try:
        with urllib.request.urlopen(f"http://{listen}/api/v1/{path}", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return None


def store(process: Process) -> dict[str, Any]:
    """How the store is."""
    found = asked(process, "status")
    assert found is not None
    component: dict[str, Any] = found["components"]["store"]
    return component


def numbers(folder: Path) -> list[int]:
    """The lines of the container, in store order; while a file is compressed, too few or many."""
    found: list[int] = []
    for path in sorted((folder / "data" / "logs").glob("*.ndjson*")):
        with suppress(FileNotFoundError):  # compressed meanwhile
            for row in codec.lines(path):
                record = json.loads(row)
                if record.get("containerName") == "plain" and record.get("seq"):
                    found.append(int(record["message"]))
    return found


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


def test_what_a_full_disk_refused_is_read_again_from_docker(
    tmp_path: Path, disk: Path, engine: Engine, containers: Containers
) -> None:
    process = started(tmp_path, engine)
    try:
        containers.run(SCRIPT, name="plain")
        until(lambda: len(numbers(tmp_path)) > 200, 30, pause=0.1)
        filler = fill(disk)
        until(lambda: store(process)["state"] == "degraded", 30, pause=0.1)
        assert "No space left" in store(process)["reason"]
        containers.wait("plain")
        # the line before the last is in memory, most before it are nowhere but with Docker
        until(lambda: newest(process) == LINES, 30, pause=0.1)
        assert len(numbers(tmp_path)) < LINES - 200
        filler.unlink()
        until(lambda: len(numbers(tmp_path)) >= LINES, 60, pause=0.2)
        until(lambda: store(process)["state"] == "up", 30, pause=0.1)
        assert store(process)["counters"]["read_again"] > 200
    finally:
        process.stop()
    assert numbers(tmp_path) == list(range(1, LINES + 1))


def test_a_kill_while_the_disk_is_full_costs_no_line(
    tmp_path: Path, disk: Path, engine: Engine, containers: Containers
) -> None:
    process = started(tmp_path, engine)
    try:
        containers.run(SCRIPT, name="plain")
        until(lambda: len(numbers(tmp_path)) > 200, 30, pause=0.1)
        filler = fill(disk)
        containers.wait("plain")
        until(lambda: newest(process) == LINES, 30, pause=0.1)
        process.kill()
        assert len(numbers(tmp_path)) < LINES - 200
        process = started(tmp_path, engine)  # on a disk that is still full
        until(lambda: newest(process) == LINES, 60, pause=0.1)
        filler.unlink()
        until(lambda: len(numbers(tmp_path)) >= LINES, 60, pause=0.2)
    finally:
        process.stop()
    assert numbers(tmp_path) == list(range(1, LINES + 1))


def newest(process: Process) -> int:
    found = asked(process, "logs?container=plain&not=Container&limit=1")
    return int(found["logs"][0]["message"]) if found and found["logs"] else 0


def failing(process: Process, what: str) -> Process:
    """Have system calls of it fail: `strace` steps in."""
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(process.pid), "-e", what]
    strace = Process(command, None)
    strace.start()
    until(lambda: traced(process.pid), 10)
    return strace


def traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return "TracerPid:\t0\n" not in status


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_sync_that_fails_is_not_trusted_and_costs_no_line(
    tmp_path: Path, engine: Engine, containers: Containers
) -> None:
    (tmp_path / "data").mkdir()
    process = started(tmp_path, engine)
    try:
        containers.run(SCRIPT, name="plain")
        until(lambda: len(numbers(tmp_path)) > 200, 30, pause=0.1)
        strace = failing(process, "inject=fdatasync:error=EIO")
        until(lambda: "in_doubt" in store(process)["counters"], 60, pause=0.1)
        assert store(process)["lastError"]
        strace.stop()
        containers.wait("plain")
        until(lambda: len(numbers(tmp_path)) >= LINES, 60, pause=0.2)
        until(lambda: store(process)["state"] == "up", 30, pause=0.1)
    finally:
        process.stop()
    assert numbers(tmp_path) == list(range(1, LINES + 1))


def test_what_a_full_disk_refused_is_read_again_from_the_journal(
    tmp_path: Path, disk: Path, engine: Engine, journal: Journal
) -> None:
    tag = f"disk-{os.getpid()}"
    process = started(tmp_path, engine, "sources: {host: {type: journald}}\n")
    try:
        for number in range(1, 301):
            journal.write(f"{tag} {number}", SYSLOG_IDENTIFIER=tag)
        until(lambda: len(entries(tmp_path, tag)) == 300, 30, pause=0.1)
        filler = fill(disk)
        for number in range(301, 1501):
            journal.write(f"{tag} {number}", SYSLOG_IDENTIFIER=tag)
        until(lambda: newest_of(process, tag) == 1500, 60, pause=0.1)
        filler.unlink()
        until(lambda: len(entries(tmp_path, tag)) >= 1500, 60, pause=0.2)
        assert store(process)["counters"]["read_again"] > 200
    finally:
        process.stop()
    assert entries(tmp_path, tag) == list(range(1, 1501))


def entries(folder: Path, tag: str) -> list[int]:
    """The numbers of the journal's entries under a name, in store order."""
    found: list[int] = []
    for path in sorted((folder / "data" / "logs").glob("*.ndjson*")):
        with suppress(FileNotFoundError):  # compressed meanwhile
            texts = [str(json.loads(row)["message"]) for row in codec.lines(path)]
            found += [int(text.split()[1]) for text in texts if text.startswith(f"{tag} ")]
    return found


def newest_of(process: Process, tag: str) -> int:
    found = asked(process, f"logs?text={tag}&limit=1")
    return int(found["logs"][0]["message"].split()[1]) if found and found["logs"] else 0


def test_a_disk_that_is_read_only_leaves_memory_and_the_api(
    tmp_path: Path, disk: Path, engine: Engine, containers: Containers
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    process = started(tmp_path, engine)
    try:
        containers.run(SCRIPT, name="plain")
        until(lambda: newest(process) == LINES, 60, pause=0.1)
        assert store(process)["state"] == "degraded"
        assert "read-only" in store(process)["reason"]
    finally:
        process.stop()
    assert process.exit_code == 0
