"""Resident memory: idle, after 10,000 records, with many containers and the page; and of what."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import Final

from websockets.sync.client import connect

from tests.bench.ground import Ground
from tests.bench.running import Running
from tests.bench.table import Table
from tests.real.until import until

RECORDS: Final = 10_000
FEW: Final = 3
STAGES: Final = (
    ("interpreter", "pass"),
    ("asyncio", "import asyncio"),
    ("command line", "import towline.cli"),
    ("program", "import towline.app"),
    ("docker source", "import towline.sources.docker.source"),
    ("docker package", "import docker"),
    ("API", "import towline.api.server, uvicorn.protocols.utils"),
    ("its protocols", "import towline.api.protocols"),
)
"""What is imported, in the order in which a start imports it."""

_PROGRAM: Final = """
import re, sys
def show(name):
    found = open("/proc/self/smaps_rollup").read()
    print(name, *re.findall(r"^(?:Rss|Pss):\\s+(\\d+)", found, re.M), sep="\\t")
for stage in sys.argv[1:]:
    name, _, code = stage.partition("=")
    exec(code)
    show(name)
"""
_NOTHING: Final = Event()


def tables(ground: Ground) -> Iterator[Table]:
    """Of the running program, then of its imports."""
    yield _running(ground)
    yield _imports()


def _running(ground: Ground) -> Table:
    table = Table("memory: towline run on its default file, MB", ("when", "RSS", "PSS"))

    def note(when: str) -> None:
        _NOTHING.wait(min(3.0, ground.size.seconds / 2))
        used = towline.memory
        table.add(when, f"{used.rss:.1f}", f"{used.pss:.1f}")

    with ExitStack() as stack:
        stack.callback(ground.remove_containers)
        _quiet(ground, FEW)
        towline = stack.enter_context(Running(ground, "memory"))
        note(f"idle, {FEW} containers")
        goal = towline.next_offset() + RECORDS
        ground.write(RECORDS)
        until(lambda: towline.next_offset() >= goal, 60)
        note(f"after {RECORDS:,} records")
        _quiet(ground, ground.size.containers - FEW)
        wanted = max(FEW, ground.size.containers)
        until(lambda: _attached(towline) >= wanted, 60)
        note(f"{wanted} containers")
        with _page(towline):
            note("and a page open")
    table.notes += ["aims: idle 45 MB, with the page and 50 containers 50 MB"]
    return table


def _quiet(ground: Ground, count: int) -> None:
    ground.write_many(count, rate=1, burst_ms=2000)


def _attached(towline: Running) -> int:
    return sum(container["attached"] for container in towline.ask("containers")["containers"])


@contextmanager
def _page(towline: Running) -> Iterator[None]:
    """What a browser does that opens the page: the files, the lists, and a WebSocket."""
    for path in ("", "page.js", "api/v1/containers", "api/v1/status", "api/v1/logs?limit=500"):
        urllib.request.urlopen(f"http://127.0.0.1:{towline.port}/{path}", timeout=10).close()
    with connect(f"ws://127.0.0.1:{towline.port}/api/v1/logs/stream?tail=0") as socket:
        socket.recv(10)
        yield


def _imports() -> Table:
    stages = [f"{name}={code}" for name, code in STAGES]
    command = [sys.executable, "-c", _PROGRAM, *stages]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)  # compiles
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env)
    table = Table("memory: of imports, MB", ("after importing", "RSS", "more", "PSS"))
    before = 0.0
    for row in done.stdout.splitlines():
        name, rss, pss = row.split("\t")
        resident = int(rss) / 1024
        more = f"+{resident - before:.1f}" if before else ""
        table.add(name, f"{resident:.1f}", more, f"{int(pss) / 1024:.1f}")
        before = resident
    return table
