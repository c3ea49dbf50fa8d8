"""Retained topics that a broker should hold for us, whatever becomes of broker or connection."""

from __future__ import annotations

import asyncio
from typing import Final

from towline.broker.window import Message
from towline.errors import TowlineError

MOST_TOPICS: Final = 20_000
MOST_AT_ONCE: Final = 100


class TooMany(TowlineError):
    """More retained topics than a broker is asked to hold for one device."""


class Kept:
    """Topics and what should stand there. Only the newest payload of a topic counts.

    `due` gives what the broker has not got yet; with every new session that is everything.
    """

    def __init__(self) -> None:
        self._wanted: dict[str, bytes] = {}
        self._due: dict[str, bytes] = {}
        self._bell = asyncio.Event()

    def __len__(self) -> int:
        return len(self._wanted)

    def set(self, topic: str, payload: bytes) -> None:
        """From now on this stands at a topic; an empty payload removes it."""
        if payload and topic not in self._wanted and len(self._wanted) >= MOST_TOPICS:
            raise TooMany(f"more than {MOST_TOPICS} retained topics")
        if payload:
            self._wanted[topic] = payload
        else:
            self._wanted.pop(topic, None)
        self._due[topic] = payload
        self._bell.set()

    def forget(self, topic: str) -> None:
        """What stands there is nobody's business any more, and is left as it is."""
        self._wanted.pop(topic, None)
        self._due.pop(topic, None)

    def begin(self) -> None:
        """A new session: the broker may have forgotten everything."""
        self._due = self._wanted | self._due
        self._bell.set()

    async def due(self) -> list[Message]:
        """Wait for topics that the broker has not got; they stay due until `arrived`."""
        while not self._due:
            self._bell.clear()
            await self._bell.wait()
        return self.open[:MOST_AT_ONCE]

    @property
    def open(self) -> list[Message]:
        """What the broker has not got."""
        return list(self._due.items())

    def arrived(self, messages: list[Message]) -> None:
        """The broker has these, unless something newer has come meanwhile."""
        for topic, payload in messages:
            if self._due.get(topic) == payload:
                del self._due[topic]
