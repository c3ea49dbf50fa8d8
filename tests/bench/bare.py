"""The bare reader that everything is compared with: C where it can be compiled, else Python."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import Final

from tests.bench.ground import Ground, Unavailable

API: Final = "/v1.41/containers/{}/logs?stdout=1&stderr=1&timestamps=1&{}"
_ROOM: Final = 1 << 18
_HEADER: Final = 8
_size = Struct(">I").unpack_from


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader saw: rows, seconds since it asked, and when (wall clock, ns)."""

    rows: int
    seconds: float
    cpu: float
    ended_ns: int
    first_ns: int


class Bare:
    """Reads a container of an engine and does nothing with it."""

    def __init__(self, ground: Ground) -> None:
        self._socket = str(ground.engine.socket)
        self.kind = "C"
        try:
            self._command = [str(ground.program("reader"))]
        except Unavailable:
            self.kind = "Python"
            self._command = [sys.executable, "-m", "tests.bench.bare"]

    def start(self, container: str, query: str, count: int) -> subprocess.Popen[str]:
        """Begin to read until `count` rows or the end."""
        words = [self._socket, API.format(container, query), str(count)]
        return subprocess.Popen([*self._command, *words], stdout=subprocess.PIPE, text=True)

    def read(self, container: str, query: str, count: int) -> Reading:
        """Read until `count` rows or the end."""
        return reading(self.start(container, query, count))


def reading(process: subprocess.Popen[str]) -> Reading:
    """What a reader reported."""
    said = process.communicate()[0].split()
    rows, _, seconds, cpu, ended, first = said
    return Reading(int(rows), float(seconds), float(cpu), int(ended), wall_ns(first))


def wall_ns(rfc3339: str) -> int:
    """Docker's time as ns since the epoch; 0 where there was no row."""
    if rfc3339 == "-":
        return 0
    whole = datetime.fromisoformat(rfc3339[:19] + "+00:00")
    return int(whole.timestamp()) * 1_000_000_000 + int(rfc3339[20:29])


def _walk(stream: socket.socket, count: int) -> tuple[int, int, str]:
    """Count rows; the same walk as in `reader.c`."""
    buffer = bytearray(2 * _ROOM)
    view = memoryview(buffer)
    rows, size, held, first, head = 0, 0, 0, "-", True
    while rows < count and (got := stream.recv_into(view[held : held + _ROOM])):
        size += got
        at, end = 0, held + got
        if head:
            found = buffer.find(b"\r\n\r\n", 0, end)
            head, at = found < 0, max(found + 4, 0)
        while not head and rows < count and end - at >= _HEADER:
            until = at + _HEADER + _size(buffer, at + 4)[0]
            if until > end:
                break
            first = first if rows else buffer[at + _HEADER : at + 38].decode()
            rows += 1
            at = until
        held = end - at
        buffer[:held] = buffer[at:end]
    return rows, size, first


def main(path: str, target: str, count: str) -> None:
    """The Python reader as a program; it prints what `reader.c` prints."""
    begun = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)
        stream.sendall(f"GET {target} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        rows, size, first = _walk(stream, int(count))
    seconds = time.perf_counter() - begun
    print(rows, size, f"{seconds:.6f} {time.process_time():.6f}", time.time_ns(), first)


if __name__ == "__main__":
    main(*sys.argv[1:])
