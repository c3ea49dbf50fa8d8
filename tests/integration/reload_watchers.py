"""Who looks at a Towline from outside: a viewer, an MQTT subscriber, the kernel."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.real.listener import Listener
from tests.real.until import auntil


class Viewer:
    """A WebSocket viewer: the numbers it was sent, its frames by kind, and how it ended."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.numbers: list[int] = []
        self.kinds: Counter[str] = Counter()
        self.last_id = ""
        self.closed: tuple[int, str] | None = None

    async def __aenter__(self) -> Self:
        self._socket = await connect(self.url, max_size=None)
        self._task = asyncio.create_task(self._read(self._socket))
        await auntil(lambda: self.kinds["hello"] or self.closed, 30)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._socket.close()
        await self._task

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = json.loads(await socket.recv())
                self.kinds[frame["type"]] += 1
                rows = frame.get("logs", ())
                self.numbers += numbers(row["message"] for row in rows)
                if rows:
                    self.last_id = rows[-1]["id"]
        self.closed = (socket.close_code or 0, socket.close_reason or "")


def sockets_to(path: str) -> frozenset[int]:
    """The inodes of this process's connections to a unix socket."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{number}")
            if target.startswith("socket:"):
                with socket.socket(fileno=os.dup(int(number))) as copy:
                    if copy.family == socket.AF_UNIX and copy.getpeername() == path:
                        found.add(int(target[8:-1]))
    return frozenset(found)


def numbers(rows: Iterable[str]) -> list[int]:
    """The numbers that the container wrote."""
    return [int(row.split()[1]) for row in rows if row.startswith("line ")]


class Subscriber:
    """What an MQTT subscriber has heard: numbers by topic; each message is looked at once."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._looked_at = 0
        self._heard: list[tuple[str, list[int]]] = []

    def numbers(self, *topics: str) -> list[int]:
        """The numbers on these topics, singly or in batches, in order of arrival."""
        messages = self._listener.messages
        while self._looked_at < len(messages):
            message = messages[self._looked_at]
            body = message.json() if message.payload.startswith(b"{") else {}
            rows = [row["message"] for row in body.get("logs", [body] if "message" in body else [])]
            self._heard.append((message.topic.removesuffix("/batch"), numbers(rows)))
            self._looked_at += 1
        return [number for topic, found in self._heard if topic in topics for number in found]
