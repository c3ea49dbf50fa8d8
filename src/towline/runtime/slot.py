"""One running component: a single task enters it, runs it and leaves it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from towline.errors import StartError
from towline.ports import Component, Drains

_log = logging.getLogger(__name__)
Sleep = Callable[[float], Awaitable[None]]
MAX_DELAY: Final = 60.0
HEALTHY: Final = 60.0
"""Seconds of running after which an earlier crash no longer counts."""


class Slot:
    """Strict at the door, patient inside.

    Failing to open the first time is the caller's `StartError`; failing later is logged and
    followed by a reopening. `run` begins only at `go`, once predecessors are gone.
    """

    def __init__(
        self,
        key: str,
        build: Callable[[], Component],
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.key = key
        self.restarts = 0
        self.fault = ""
        self.component: Component | None = None
        self._build = build
        self._sleep = sleep
        self._clock = clock
        self._go = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self, tasks: asyncio.TaskGroup) -> None:
        """Return once the component is open, or raise `StartError`."""
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = tasks.create_task(self._own(opened), name=self.key)
        try:
            await opened
        except asyncio.CancelledError:
            await self.stop()
            raise

    def go(self) -> None:
        """Let the component run."""
        self._go.set()

    async def stop(self, grace: float = 0.0) -> None:
        """Ask politely for `grace` seconds, then cancel; return with the task done."""
        task = self._task
        if task is None:
            return
        if grace and self._go.is_set() and isinstance(self.component, Drains):
            self.component.drain()
            await asyncio.wait([task], timeout=grace)
        task.cancel()
        await asyncio.wait([task])

    async def _own(self, opened: asyncio.Future[None]) -> None:
        failures = 0
        while True:
            began = self._clock()
            try:
                async with self._build() as self.component:
                    if not opened.done():
                        opened.set_result(None)
                    await self._go.wait()
                    await self.component.run()
            except Exception as exc:  # noqa: BLE001 - the supervision boundary
                if not opened.done():
                    failure = StartError(self.key, exc)
                    failure.__cause__ = exc
                    opened.set_exception(failure)
                    return
                self.fault = f"{type(exc).__name__}: {exc}"
                _log.exception("component crashed", extra={"component": self.key})
            else:
                return
            self.restarts += 1
            failures = 1 if self._clock() - began > HEALTHY else failures + 1
            await self._sleep(min(MAX_DELAY, 2.0 ** (failures - 1)))
