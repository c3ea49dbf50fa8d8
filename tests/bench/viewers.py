"""One log of 10,000 lines/s to many viewers, some of whom stopped reading; and many quiet logs."""

from __future__ import annotations

import re
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from tests.bench.ground import QUICK, Ground
from tests.bench.running import Running
from tests.bench.table import Table, quantile, thousands
from tests.bench.usage import cpu_seconds
from tests.real.until import until

RATE: Final = 10_000
VIEWERS: Final = (0, 1, 10, 100, 500)
STALLED: Final = 0.1
SETTLE: Final = 3.0
ATTACHED: Final = 4
"""Times the containers of other benchmarks."""

_BUFFER: Final = 1 << 20
_STAMP: Final = re.compile(rb"sensor read n=(\d{9}) x+ (\d{19})")
_UPGRADE: Final = (
    "GET /api/v1/logs/stream?tail=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)
_NOTHING: Final = threading.Event()


class Crowd:
    """Viewers that throw away what they get; of the first one each line's age is noted."""

    def __init__(self, port: int, count: int, stalled: int) -> None:
        self.received = 0
        self.ages: list[int] = []
        self._selector = selectors.DefaultSelector()
        self._sockets = [_viewer(port) for _ in range(count)]
        for number, found in enumerate(self._sockets[: count - stalled]):
            self._selector.register(found, selectors.EVENT_READ, number)
        self._over = False
        self._thread = threading.Thread(target=self._drain)
        self._thread.start()

    def _drain(self) -> None:
        buffer = memoryview(bytearray(_BUFFER))
        rest = b""
        while not self._over:
            for key, _ in self._selector.select(0.1):
                assert isinstance(key.fileobj, socket.socket)
                size = key.fileobj.recv_into(buffer)
                if not size:
                    self._selector.unregister(key.fileobj)
                    continue
                self.received += size
                if key.data == 0:
                    rest = self._note(rest + bytes(buffer[:size]))

    def _note(self, data: bytes) -> bytes:
        now, last = time.time_ns(), 0
        for line in _STAMP.finditer(data):
            self.ages.append(now - int(line[2]))
            last = line.end()
        return data[max(last, len(data) - 1024) :]

    def close(self) -> None:
        """Hang up, all of them."""
        self._over = True
        self._thread.join()
        for found in self._sockets:
            found.close()


def _viewer(port: int) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), 30)
    found.sendall(_UPGRADE.encode())
    answer = found.recv(1)
    while b"\r\n\r\n" not in answer:
        answer += found.recv(1)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise RuntimeError(answer.decode(errors="replace"))
    return found


def tables(ground: Ground) -> Iterator[Table]:
    """More and more viewers of one log, then what logs cost that say nothing."""
    yield _fan_out(ground)
    yield _attached(ground)


def _fan_out(ground: Ground) -> Table:
    columns = (
        "viewers",
        "stalled",
        "lines/s",
        "cores",
        "more",
        "PSS MB",
        "KB/viewer",
        "p50",
        "p99",
    )
    table = Table(
        f"viewers of {thousands(RATE)} lines/s over WebSocket, age of a line in ms", columns
    )
    counts = [count for count in VIEWERS if count <= 100 or ground.size.seconds > QUICK.seconds]
    bare: tuple[float, float] | None = None
    with Running(ground, "viewers") as towline:
        try:
            ground.write(0, rate=RATE, stamped=True)
            begun = towline.next_offset()
            until(lambda: towline.next_offset() > begun + RATE, 60)
            for count in counts:
                for stalled in {0, int(count * STALLED)}:
                    measured = _measure(towline, ground.size.seconds, count, stalled)
                    bare = bare or measured[1:3]
                    table.add(*_row(count, stalled, measured, bare))
        finally:
            ground.remove_containers()
    table.notes += ["aims for 100: 0.20 core, 0.3 MB each, and 10 % stalled change nothing"]
    return table


Measured = tuple[float, float, float, list[int]]
"""Lines per second stored, cores, MB, ages in nanoseconds."""


def _measure(towline: Running, seconds: float, count: int, stalled: int) -> Measured:
    crowd = Crowd(towline.port, count, stalled)
    try:
        _NOTHING.wait(SETTLE)
        crowd.ages.clear()
        cpu, at, first = towline.cpu, time.monotonic(), towline.next_offset()
        _NOTHING.wait(seconds)
        until(lambda: towline.next_offset() > first, 10)
        passed, lines = time.monotonic() - at, towline.next_offset() - first
        used = (towline.cpu - cpu) / passed
        return lines / passed, used, towline.memory.pss, list(crowd.ages)
    finally:
        crowd.close()


def _row(
    count: int, stalled: int, measured: Measured, bare: tuple[float, float]
) -> tuple[str, ...]:
    rate, cores, memory, ages = measured
    each = (memory - bare[1]) * 1024 / count if count else 0.0
    marks = [f"{quantile(ages, part) / 1e6:.0f}" if ages else "" for part in (0.5, 0.99)]
    more = f"{cores - bare[0]:.2f}"
    about = (thousands(rate), f"{cores:.2f}", more, f"{memory:.1f}", f"{each:.0f}")
    return (str(count), str(stalled), *about, *marks)


def _attached(ground: Ground) -> Table:
    count = ground.size.containers * ATTACHED
    columns = ("what", "RSS MB", "PSS MB", "CPU ms/s", "dockerd CPU ms/s")
    table = Table(f"{count} containers attached that say nothing", columns)
    with ExitStack() as stack:
        stack.callback(ground.remove_containers)
        for _ in range(count):
            ground.write(1, delay_ms=2**30)
        daemon = _idle(ground)
        for read in ("api", "auto"):
            with Running(ground, f"attached-{read}", read=read) as towline:
                until(lambda t=towline: _read(t) >= count, 120)  # type: ignore[misc]
                _NOTHING.wait(SETTLE)
                cpu, at = towline.cpu, time.monotonic()
                docker = _idle(ground)
                passed = time.monotonic() - at
                used = towline.memory
                table.add(
                    f"read: {read}",
                    f"{used.rss:.1f}",
                    f"{used.pss:.1f}",
                    f"{(towline.cpu - cpu) / passed * 1000:.1f}",
                    f"{docker:.1f}",
                )
    table.notes += [f"dockerd without Towline: {daemon:.1f} ms/s; aim: 70 MB"]
    return table


def _idle(ground: Ground) -> float:
    """Milliseconds of CPU a second that the engine takes."""
    seconds = max(10.0, ground.size.seconds)
    before = cpu_seconds(ground.engine.pid)
    _NOTHING.wait(seconds)
    return (cpu_seconds(ground.engine.pid) - before) / seconds * 1000


def _read(towline: Running) -> int:
    found: int = towline.ask("status")["containers"]["read"]
    return found
