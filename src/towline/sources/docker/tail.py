"""Following one container by Docker's json files: no work for the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from towline.sources.docker.jsonlog import JsonLog
from towline.sources.docker.pace import Pace
from towline.sources.docker.wake import Waker

LOOK: Final = 5.0
"""Seconds after which a quiet file is looked at, though the kernel told of no change."""

POLLS: Final = (0.01, 0.5)
"""The same where the kernel cannot tell: at first, and at most."""

REST: Final = 0.04
"""Seconds of rest at most while a file is written all the time."""


class Tail:
    """Follows a `JsonLog` while the container runs.

    `runs` is what is known of the container, `running` asks the engine.
    """

    def __init__(
        self,
        log: JsonLog,
        waker: Waker,
        runs: Callable[[], bool],
        running: Callable[[], Awaitable[bool]],
    ) -> None:
        self.log = log
        self.bell = asyncio.Event()
        self._waker = waker
        self._runs = runs
        self._running = running
        self._pause = POLLS[0]

    async def run(self, begun: Callable[[], None]) -> None:
        """Until the container has stopped and all it wrote is read. `begun`: reading works.

        `FilesAway` when the files cannot be read any more; running again goes on exactly here.
        """
        log, loop = self.log, asyncio.get_running_loop()
        pace = Pace(loop.time(), fill=1 << 62, longest=REST)
        try:
            await log.join()
            while True:
                self.bell.clear()
                taken = await log.drain()
                begun()
                if taken:
                    self._pause = POLLS[0]
                    if rest := pace.rest(taken, loop.time()):
                        await asyncio.sleep(rest)
                        continue
                elif not self._runs() and not await self._running():
                    if not await log.drain():
                        return
                    continue
                await self._changed()
        finally:
            self._waker.forget(self.bell)
            log.leave()

    async def _changed(self) -> None:
        """Until the file changes, or it is time to look."""
        if self._waker.arm(self.log.number, self.bell):
            if self.log.has_more():
                await asyncio.sleep(0)
                return
            pause = LOOK
        else:
            pause, self._pause = self._pause, min(POLLS[1], self._pause * 2)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self.bell.wait()
