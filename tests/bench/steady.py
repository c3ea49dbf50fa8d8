"""Ten containers at a thousand lines a second each: CPU and memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from threading import Event
from typing import Final

from tests.bench.ground import UNREAD, Ground
from tests.bench.running import BATCHES, Running
from tests.bench.table import Table, thousands
from tests.bench.usage import cpu_seconds
from tests.real.until import until

CONTAINERS: Final = 10
RATE: Final = 1000
SETTLE: Final = 2.0
_NOTHING: Final = Event()


def tables(ground: Ground) -> Iterator[Table]:
    """The reader alone, then the whole way, then with a broker."""
    columns = ("what", "lines/s", "cores", "CPU µs/line", "dockerd cores", "RSS MB", "PSS MB")
    title = f"steady: {_count(ground)} containers at {thousands(RATE)} lines/s each"
    table = Table(f"{title}, {ground.size.seconds:g} s", columns)
    alone(ground, table)
    whole(ground, table, "towline, API", None, read="api")
    whole(ground, table, "towline, json files", None)
    whole(ground, table, "towline, json files + MQTT batches", BATCHES)
    table.notes += ["aims: reader alone 3 µs/line; with files and MQTT 0.08 core, 60 MB"]
    yield table


def _count(ground: Ground) -> int:
    return min(CONTAINERS, ground.size.containers)


def _writers(ground: Ground, *options: str) -> list[str]:
    return ground.write_many(_count(ground), *options, rate=RATE)


def whole(
    ground: Ground, table: Table, name: str, mqtt: dict[str, str] | None, *, read: str = "auto"
) -> None:
    """Towline, attached by itself to each container as it starts."""
    folder = f"steady-{read}-{'alone' if mqtt is None else 'mqtt'}"
    with Running(ground, folder, mqtt, read=read) as towline:
        begun = towline.next_offset()
        try:
            _writers(ground)
            until(lambda: towline.next_offset() > begun + _count(ground) * RATE, 60)
            _NOTHING.wait(min(SETTLE, ground.size.seconds))
            daemon, cpu = cpu_seconds(ground.engine.pid), towline.cpu
            at, first = time.monotonic(), towline.next_offset()
            _NOTHING.wait(ground.size.seconds)
            # a file may be closed just now: then the next look tells
            until(lambda: towline.next_offset() > first, 10)
            seconds, lines = time.monotonic() - at, towline.next_offset() - first
            cpu, daemon = towline.cpu - cpu, cpu_seconds(ground.engine.pid) - daemon
            used = towline.memory
        finally:
            ground.remove_containers()
    table.add(
        name,
        thousands(lines / seconds),
        f"{cpu / seconds:.3f}",
        f"{cpu / lines * 1e6:.1f}",
        f"{daemon / seconds:.2f}",
        f"{used.rss:.1f}",
        f"{used.pss:.1f}",
    )


def alone(ground: Ground, table: Table) -> None:
    """Towline's reader of streams, which counts rows and throws them away."""
    try:
        ids = _writers(ground, UNREAD)
        words = [str(ground.engine.socket), str(ground.size.seconds), *ids]
        daemon = cpu_seconds(ground.engine.pid)
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.alone", *words],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        daemon = cpu_seconds(ground.engine.pid) - daemon
    finally:
        ground.remove_containers()
    rows, seconds, cpu = map(float, done.stdout.split())
    table.add(
        "Towline's reader alone",
        thousands(rows / seconds),
        f"{cpu / seconds:.3f}",
        f"{cpu / rows * 1e6:.1f}",
        "",
        "",
        "",
    )
