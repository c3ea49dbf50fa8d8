"""Keeps a link up for ever: tries again, fails over, and moves back to a better server."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from towline.broker.link import CONNECTION_LOST
from towline.broker.servers import Held, Servers
from towline.broker.window import Message

FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 30.0
STEADY: Final = 10.0
"""Seconds after which a connection has proven itself and the back-off begins anew."""

CUT_SHORT: Final = 45.0
"""Seconds below which several lost connections in a row are no accident."""

GOODBYE_GRACE: Final = 1.0
MOVE_GRACE: Final = 5.0
TAKEN_OVER: Final = 0x8E


class Owner(Protocol):
    """Whose link it is. `goodbye` gives the last words to a server that is left."""

    async def greet(self, held: Held) -> bool:
        """Say who we are, first of all; False where the server did not let us."""

    def up(self, held: Held) -> None:
        """From now on messages go over this link."""

    def down(self) -> None:
        """There is no link for a while."""

    def failed(self, reason: str, *, taken_over: bool = False) -> None:
        """A server did not take us, or no longer; `taken_over`: for another client's sake."""

    def goodbye(self) -> Sequence[Message]:
        """The last words to a server that is left."""


class Uplink:
    """`held` is the link in use, None without one. `still` is set except while it is moved."""

    def __init__(
        self,
        servers: Servers,
        owner: Owner,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.held: Held | None = None
        self.up = asyncio.Event()
        self.still = asyncio.Event()
        self.still.set()
        self._servers = servers
        self._owner = owner
        self._hurry = asyncio.Event()
        self._cut_short = 0
        self._sleep = sleep
        self._chance = chance
        self._clock = clock

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        failures = 0
        while True:
            since = self._clock()
            held = await self._servers.first(self._owner.failed)
            if held is not None:
                await self._hold(held)
            lasted = self._clock() - since
            self._cut_short = self._cut_short + 1 if held and lasted < CUT_SHORT else 0
            if held and lasted >= STEADY:
                failures = 0
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures, 8))
            failures += 1
            await self._rest(delay * (0.5 + self._chance() / 2))

    def reconnect(self) -> None:
        """Give the link up and make it anew, from the first server on, without waiting."""
        self._hurry.set()
        if self.held is not None:
            self.held.link.close("asked to reconnect")

    async def leave(self, last: Sequence[Message]) -> None:
        """Say goodbye for good."""
        held, self.held = self.held, None
        self.up.clear()
        if held is not None:
            held.link.on_lost = lambda _: None
            await held.link.leave(last, GOODBYE_GRACE)

    async def _rest(self, seconds: float) -> None:
        """Wait before the next try, unless somebody asks to hurry."""
        pausing = asyncio.ensure_future(self._sleep(seconds))
        hurrying = asyncio.create_task(self._hurry.wait())
        try:
            await asyncio.wait({pausing, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pausing.cancel()
            hurrying.cancel()
        self._hurry.clear()

    async def _hold(self, held: Held) -> None:
        """Keep a link until it is lost; where a better server is back, go on with that one."""
        while await self._begin(held):
            better = await self._better_or_lost(held)
            if better is None:
                break
            await self._move_from(held)
            held = better
        self.held = None
        self.still.set()
        held.place.ceiling.hung_up(held.link.largest_cut_off, held.link.said_code)

    async def _better_or_lost(self, held: Held) -> Held | None:
        """A better server's link; None where this one is lost first."""
        looking = asyncio.create_task(self._servers.better(held.rank))
        either: list[asyncio.Future[Any]] = [looking, held.link.closed]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if found := await _given_up(looking):
                found.link.close("stopped")
            raise
        return await _given_up(looking)

    async def _begin(self, held: Held) -> bool:
        link = held.link
        link.window.largest = min(link.window.largest, held.place.ceiling.limit)
        if link.closed.done():
            self._owner.failed(link.closed.result())
            return False
        link.on_lost = self._lost
        self.held = held
        if not await self._owner.greet(held) or link.closed.done():
            await asyncio.shield(link.closed)
            return True
        self.up.set()
        self.still.set()
        self._owner.up(held)
        return True

    async def _move_from(self, held: Held) -> None:
        """Let a link finish what is under way on it, so that nothing overtakes anything."""
        self.still.clear()
        with suppress(TimeoutError):  # what is left fails, and whoever sent it sends it again
            async with asyncio.timeout(MOVE_GRACE):
                await held.link.window.empty()
        self._owner.down()
        await self.leave(self._owner.goodbye())

    def _lost(self, why: str) -> None:
        self.up.clear()
        self.still.set()
        self._owner.down()
        link = self.held.link if self.held else None
        said = bool(link and link.said_code == TAKEN_OVER)
        suspected = self._cut_short >= 2 and why == CONNECTION_LOST
        again = " again and again" if suspected else ""
        self._owner.failed(f"{why}{again}", taken_over=said or suspected)


async def _given_up(looking: asyncio.Task[Held]) -> Held | None:
    """End a search; what it had found all the same."""
    looking.cancel()
    await asyncio.wait({looking})
    return None if looking.cancelled() else looking.result()
