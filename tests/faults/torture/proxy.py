"""Between Towline and a broker: keeps what the broker has acknowledged, and breaks connections."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

PUBLISH, PUBACK = 3, 4
REFUSED = 0x80
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Acked:
    """A publish that the broker said it has, when (seconds), and its topic."""

    at: float
    topic: str
    payload: bytes


@dataclass
class _Packets:
    """Cuts a stream into MQTT packets: type, flags, body (OASIS MQTT 5.0 section 2.1)."""

    rest: bytes = b""

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        self.rest += data
        found = []
        while packet := self._next():
            found.append(packet)
        return found

    def _next(self) -> tuple[int, int, bytes] | None:
        size, shift, at = 0, 0, 1
        while True:
            if at >= len(self.rest):
                return None
            byte = self.rest[at]
            size |= (byte & 127) << shift
            shift, at = shift + 7, at + 1
            if byte < 128:
                break
        if len(self.rest) < at + size:
            return None
        head, body = self.rest[0], self.rest[at : at + size]
        self.rest = self.rest[at + size :]
        return head >> 4, head & 15, body


class _Talk:
    """One connection: what is published in it and not acknowledged yet, by packet id."""

    def __init__(self) -> None:
        self.five = False
        self.open: dict[int, tuple[str, bytes]] = {}

    def published(self, flags: int, body: bytes) -> None:
        """Remember a publish of quality 1."""
        size = int.from_bytes(body[:2], "big")
        topic, at = body[2 : 2 + size].decode(), 2 + size
        if not flags & 6:
            return
        number = int.from_bytes(body[at : at + 2], "big")
        at += 2
        if self.five:
            at += 1 + body[at]  # properties: ours are shorter than 128 bytes
        self.open[number] = topic, body[at:]


@dataclass
class Proxy:
    """Listens on a port of its own and hands on to `port`. `acked` grows in order."""

    port: int
    acked: list[Acked] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)
        return self

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(PATIENCE)  # from now on nobody is let in
        self.reset()
        for thread in self._threads:
            thread.join(PATIENCE)
        for each in (self._server, *self._sockets):
            each.close()

    def reset(self) -> None:
        """End all connections by RST."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self.port), 5)
                except OSError:
                    client.close()
                    continue
                broker.settimeout(None)
                self.connections += 1
                self._pairs.append((client, broker))
                self._sockets += client, broker
                talk = _Talk()
                for ends in ((client, broker), (broker, client)):
                    self._start(self._carry, *ends, talk)

    def _carry(self, source: socket.socket, target: socket.socket, talk: _Talk) -> None:
        packets = _Packets()
        with suppress(OSError):
            while data := source.recv(65536):
                for kind, flags, body in packets.feed(data):
                    self._note(kind, flags, body, talk)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _note(self, kind: int, flags: int, body: bytes, talk: _Talk) -> None:
        if kind == 1:  # CONNECT: the protocol's name and level
            talk.five = body[6] == 5
        elif kind == PUBLISH and len(body) > 4:
            talk.published(flags, body)
        elif kind == PUBACK:
            sent = talk.open.pop(int.from_bytes(body[:2], "big"), None)
            refused = len(body) > 2 and body[2] >= REFUSED
            if sent is not None and not refused:
                self.acked.append(Acked(time.time(), *sent))
