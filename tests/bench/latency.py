"""From a container's write to an MQTT subscriber, and to a bare reader of the same container."""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from tests.bench.bare import API
from tests.bench.ground import Ground
from tests.bench.running import Running
from tests.bench.table import Table, quantile, thousands

RATE: Final = 100
_LINE: Final = re.compile(rb"sensor read n=(\d{9}) x+ (\d{19})")
_CONNECT: Final = bytes.fromhex("10 0c 0004 4d515454 04 02 0000 0000")
"""MQTT 3.1.1 section 3.1: clean session, no keep-alive, no client id."""

_SUBSCRIBE: Final = bytes.fromhex("82 06 0001 0001 23 00")
"""Section 3.8: everything, at most once."""


def subscriber(port: int) -> socket.socket:
    """A connection to the broker that gets every message."""
    found = socket.create_connection(("127.0.0.1", port))
    found.sendall(_CONNECT)
    found.recv(4)
    found.sendall(_SUBSCRIBE)
    found.recv(5)
    return found


def follower(path: str, container: str) -> socket.socket:
    """A bare follow stream."""
    found = socket.socket(socket.AF_UNIX)
    found.connect(path)
    target = API.format(container, "follow=1&tail=all")
    found.sendall(f"GET {target} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
    return found


class Ears:
    """Notes when each numbered line is heard on each of several sockets."""

    def __init__(self, sockets: dict[str, socket.socket]) -> None:
        self.written: dict[int, int] = {}
        self.heard: dict[str, dict[int, int]] = {name: {} for name in sockets}
        self._rest = dict.fromkeys(sockets, b"")
        self._selector = selectors.DefaultSelector()
        for name, found in sockets.items():
            self._selector.register(found, selectors.EVENT_READ, name)

    def listen(self, lines: int, patience: float) -> None:
        """Until every socket brought so many lines, or for `patience` seconds."""
        deadline = time.monotonic() + patience
        while min(map(len, self.heard.values())) < lines and time.monotonic() < deadline:
            for key, _ in self._selector.select(1.0):
                assert isinstance(key.fileobj, socket.socket)
                self._take(key.data, key.fileobj)

    def _take(self, name: str, found: socket.socket) -> None:
        data = found.recv(1 << 16)
        now = time.time_ns()
        if found.family == socket.AF_INET:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if not data:
            self._selector.unregister(found)
            return
        data = self._rest[name] + data
        last = 0
        for line in _LINE.finditer(data):
            number, written = int(line[1]), int(line[2])
            self.written[number] = written
            self.heard[name][number] = now
            last = line.end()
        self._rest[name] = data[max(last, len(data) - 1024) :]


def tables(ground: Ground) -> Iterator[Table]:
    """Half the lines with a pause between them as a person would see it: one at a time."""
    lines = max(RATE, int(ground.size.seconds * RATE))
    with ExitStack() as stack:
        stack.enter_context(Running(ground, "latency", {}))
        broker = stack.enter_context(subscriber(ground.broker.port))
        stack.callback(ground.remove_containers)
        path = str(ground.engine.socket)
        container = ground.write(lines, rate=RATE, burst_ms=10, delay_ms=1500, stamped=True)
        bare = stack.enter_context(follower(path, container))
        ears = Ears({"bare follow reader": bare, "MQTT subscriber": broker})
        ears.listen(lines, 30 + lines / RATE)
    yield _table(ears, lines)


def _table(ears: Ears, lines: int) -> Table:
    title = f"latency: container's write to reader, {thousands(lines)} lines at {RATE}/s, ms"
    table = Table(title, ("where", "lines", "p50", "p90", "p99", "most"))
    bare, mqtt = ears.heard.values()
    delays = {
        name: [at - ears.written[number] for number, at in heard.items()]
        for name, heard in ears.heard.items()
    }
    delays["beyond dockerd, line by line"] = [
        mqtt[number] - bare[number] for number in mqtt.keys() & bare.keys()
    ]
    for name, found in delays.items():
        marks = [quantile(found, part) / 1e6 for part in (0.5, 0.9, 0.99, 1.0)]
        table.add(name, thousands(len(found)), *(f"{mark:.2f}" for mark in marks))
    table.notes += ["aims beyond dockerd: p50 0.5 ms, p99 5 ms"]
    return table
