"""Plays messages to a broker again, below `replay/`, at a speed and no faster than a rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NamedTuple

from towline.broker.topics import fit
from towline.errors import Rejected, Retryable

PREFIX: Final = "replay/"
PATIENCE: Final = 30.0
"""Seconds that a broker may be away; then it ends."""

LONGEST_PAUSE: Final = 60.0
"""Seconds that a gap between two messages lasts at most."""


class Played(NamedTuple):
    """When it was, in milliseconds, and what is published now."""

    at: int
    topic: str
    payload: bytes


Publish = Callable[[str, bytes], Awaitable[None]]


class Player:
    """One replay. `speed` 1 is as it was, 10 ten times as fast, 0 as fast as `rate` allows."""

    def __init__(
        self,
        publish: Publish,
        *,
        speed: float,
        rate: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publish = publish
        self._speed = speed
        self._rate = rate
        self._sleep = sleep
        self._clock = clock
        self.state = "playing"
        self.error = ""
        self.sent = self.refused = 0

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        counts = {"sent": self.sent, "refused": self.refused}
        return {"state": self.state, "error": self.error or None} | counts

    async def run(self, messages: AsyncIterator[Played]) -> None:
        """Play them all; `state` tells how it ended: `done`, `failed` or `stopped`."""
        before: int | None = None
        due = self._clock()
        try:
            async for message in messages:
                if before is not None:
                    due = max(due + self._pause(message.at - before), self._clock() - 1)
                before = message.at
                await self._sleep(max(0.0, due - self._clock()))
                await self._played(message)
            self.state = "done"
        except Retryable as exc:
            self.state, self.error = "failed", str(exc)
        except asyncio.CancelledError:
            self.state = "stopped"
            raise

    def _pause(self, milliseconds: int) -> float:
        gap = max(0, milliseconds) / 1000 / self._speed if self._speed else 0.0
        return max(1 / self._rate, min(LONGEST_PAUSE, gap))

    async def _played(self, message: Played) -> None:
        end = self._clock() + PATIENCE
        while True:
            try:
                await self._publish(fit(f"{PREFIX}{message.topic}"), message.payload)
            except Rejected as exc:
                self.refused += 1
                self.error = str(exc)
                return
            except Retryable:
                if self._clock() > end:
                    raise
                await self._sleep(1.0)
            else:
                self.sent += 1
                return
