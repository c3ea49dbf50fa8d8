"""The readings that run: one task per container, tried again when the engine or the log fails."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from towline.errors import SourceError, Unreadable
from towline.sources.docker.known import Known
from towline.status import Health

_log = logging.getLogger(__name__)
AT_ONCE: Final = 16
"""Containers that catch up at the same time; each costs the daemon a pass over a log."""

RETRIES: Final = (1.0, 30.0)
"""Seconds until a failed reading is tried again: at first, and at most."""

HEALTHY: Final = 60.0
"""Seconds of reading after which a failure counts as the first."""


class Attachments:
    """Starts and stops readings within `tasks`, the task group of one session with the engine."""

    def __init__(self, tasks: asyncio.TaskGroup, health: Health) -> None:
        self._tasks = tasks
        self._health = health
        self._turn = asyncio.Semaphore(AT_ONCE)

    def start(self, known: Known, *, live: bool = False) -> None:
        """Read a container, or have its reading look again."""
        if known.attached:
            known.again.set()
            known.reading.ways.ring()
        else:
            name = f"reading {known.container.name}"
            known.task = self._tasks.create_task(self._read(known, live), name=name)

    async def stop(self, known: Known) -> None:
        """Read it no more; returns once nothing runs any more."""
        if known.task is not None and known.attached:
            known.task.cancel()
            await asyncio.wait([known.task])

    async def _read(self, known: Known, live: bool) -> None:
        """Read one container until it is finished; a fault is tried again, slower each time."""
        loop = asyncio.get_running_loop()
        delay, most = RETRIES
        while True:
            known.again.clear()
            begun = loop.time()
            try:
                whole = await known.reading.run(self._turn, live=live)
            except Unreadable as exc:
                self._give_up(known, str(exc))
                return
            except SourceError as exc:
                if loop.time() - begun > HEALTHY:
                    delay = RETRIES[0]
                self._failed(known, str(exc))
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await known.again.wait()
                delay = min(most, delay * 2)
            else:
                if not whole:
                    self._health.counters["missed_container"] += 1
                if not known.again.is_set():
                    return
            live = False

    def _failed(self, known: Known, reason: str) -> None:
        known.reading.fault = reason
        known.reading.catch_up.counters["errors"] += 1
        self._health.counters["reading_errors"] += 1
        about = {"container": known.container.name, "reason": reason}
        _log.debug("reading failed", extra=about)

    def _give_up(self, known: Known, reason: str) -> None:
        """Its driver keeps nothing that could be read: said once, asked again by hand only."""
        known.reading.fault = (
            f"its log driver {known.container.driver!r} cannot be read back: {reason}"
        )
        known.unreadable = True
        self._health.counters["unreadable"] += 1
        about = {"container": known.container.name, "reason": reason}
        _log.warning("log cannot be read", extra=about)
