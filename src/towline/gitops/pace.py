"""When to look at a repository: from time to time, later after failures, at once when asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

FIRST_RETRY: Final = 10.0
LONGEST_RETRY: Final = 300.0


def pause(interval: float, failures: int, chance: float) -> float:
    """Seconds to the next sync; `chance` from 0 to 1 keeps a fleet from coming all at once."""
    retry = min(interval, FIRST_RETRY) * 2.0 ** min(failures - 1, 16)
    base = min(retry, max(interval, LONGEST_RETRY)) if failures else interval
    return base * (0.9 + 0.2 * chance)


class Rounds:
    """Repeats `once`, which says whether it worked; it is told whether somebody asked for it."""

    def __init__(
        self,
        once: Callable[[bool], Awaitable[bool]],
        interval: float,
        chance: Callable[[], float],
    ) -> None:
        self._once = once
        self._interval = interval
        self._chance = chance
        self._asked = asyncio.Event()
        self._over = asyncio.Event()

    async def run(self) -> None:
        """One round after another until cancelled."""
        failures = 0
        try:
            while True:
                failures = 0 if await self._round() else failures + 1
                delay = pause(self._interval, failures, self._chance())
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):  # wait_for may swallow a cancellation
                        await self._asked.wait()
        finally:
            self._over.set()

    def wake(self) -> asyncio.Event:
        """Begin a round at once, or when the present one is over.

        The event is set when that round is over, or when there will be none.
        """
        self._asked.set()
        return self._over

    async def _round(self) -> bool:
        asked = self._asked.is_set()
        self._asked.clear()
        # who asks from here on is answered by the next round: this one may have looked already
        over, self._over = self._over, asyncio.Event()
        try:
            return await self._once(asked)
        finally:
            over.set()
