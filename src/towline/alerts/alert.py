"""The component of one alert: a reader of its own, a rule, and the actions that it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

import msgspec

from towline.actions.ports import Tell
from towline.actions.runner import Runner
from towline.alerts.occasions import FIRED, RESOLVED, last_lines, occasion, sentence
from towline.alerts.progress import Bookmark
from towline.alerts.rules import Change
from towline.alerts.watch import AlertHealth, Watch
from towline.config.alerts import Alert as Settings
from towline.record import Record
from towline.store.log import Store
from towline.store.reader import Reader

MOST: Final = 500
"""Records looked at before others get their turn."""

AT_ONCE: Final = 100
"""Changes whose actions are under way; with more the alert reads on later, and loses nothing."""

SETTLE: Final = 1.0
"""Seconds that the last lines of a container may come after the event that ended it."""


class Alert:
    """Reads the store on and on; a slow one falls behind alone.

    The first time it begins at the store's end, later where it was: what came while Towline was
    down counts, unless it is older than `max_age`.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        device: str,
        store: Store,
        runner: Runner,
        tell: Tell,
        health: AlertHealth,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.settings = settings
        self.health = health
        self.runner = runner
        self._device = device
        self._store = store
        self._tell = tell
        self._now = now
        self._sleep = sleep
        self._watch = Watch(settings, device, health)
        folder = store.path / "alerts" if store.persistent else None
        self._bookmark = Bookmark(folder, name, settings, now)
        self._running: set[asyncio.Task[None]] = set()
        self._reader: Reader | None = None
        self._seen = 0
        self._is_ending = False
        self._stirred = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._keep(last=True)
        self.health.stopped()

    @property
    def lag(self) -> int:
        """How many records it has not looked at yet, those of this run."""
        behind = self._store.next_offset - max(self._seen, self._store.started)
        return behind if self._reader else 0

    @property
    def firing(self) -> list[str]:
        """Groups for which it fired and is not over."""
        return self._watch.windows.firing

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        about = {
            "name": self.name,
            "enabled": self.settings.enabled,
            "firing": self.firing,
            "lag": self.lag,
            "actions": [job.as_json() for job in self.runner.jobs],
        }
        return about | self.health.as_json()

    def drain(self) -> None:
        """Look at what the store holds now, begin no more tries of actions, and return."""
        self.runner.drain()
        self._is_ending = True
        self._stirred.set()

    async def run(self) -> None:
        """Until cancelled or drained."""
        self.health.up()
        if not self.settings.enabled:
            self._bookmark.remove()  # what happens meanwhile is no alarm later
            await self._stirred.wait()
            return
        self._reader = reader = self._store.reader(self._begin())
        self._seen = reader.offset
        async with asyncio.TaskGroup() as tasks:
            while await self._read(reader, tasks) or not self._is_ending:
                if reader.offset == self._store.next_offset:
                    await self._idle(reader)

    def _begin(self) -> int:
        """The offset to begin at."""
        found = self._bookmark.find(self._watch.windows)
        if found is None:
            return self._store.next_offset
        self.health.last_fired = found.last_fired
        return found.offset

    async def _read(self, reader: Reader, tasks: asyncio.TaskGroup) -> bool:
        """Look at what comes next; False when that was nothing."""
        records = await reader.take(MOST)
        self.health.counters["missed"] = reader.missed
        for record in self._watch.counting(records):
            await self._room()
            self._seen = record.offset + 1
            change = self._watch.look(record, self._milliseconds())
            if change is not None:
                self._happened(change, record, tasks)
        self._seen = reader.offset
        for change in self._watch.over(self._milliseconds()):
            self._happened(change, None, tasks)
        if self._bookmark.is_due(self._seen):
            self._keep()
        if records:
            await asyncio.sleep(0)  # others' turn
        return bool(records)

    def _milliseconds(self) -> int:
        return round(self._now() * 1000)

    async def _room(self) -> None:
        """Wait while too many actions are under way."""
        while len(self._running) >= AT_ONCE:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    def _happened(self, change: Change, record: Record | None, tasks: asyncio.TaskGroup) -> None:
        state = FIRED if change.fired else RESOLVED
        about = {"alert": self.name, "state": state, "group": change.group, "count": change.count}
        fields = msgspec.json.encode(about).decode()
        level = "warn" if change.fired else "info"
        self._tell(sentence(self.name, change, record), level, fields)
        task = tasks.create_task(self._act(change, record), name=f"{self.name} {state}")
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def _act(self, change: Change, record: Record | None) -> None:
        lines: list[Record] = []
        if record is not None and self.settings.with_lines:
            if not self._is_ending:
                await self._sleep(SETTLE)
            lines = await last_lines(self._store, record, self.settings.with_lines)
        found = occasion(self.name, self._device, change, record, lines)
        if not await self.runner.run(found):
            self._bookmark.held = True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._bookmark.held = True
        self._keep()
        self._stirred.set()

    def _keep(self, *, last: bool = False) -> None:
        """Keep how far it got, unless an action is under way or was left undone."""
        if self._reader is not None and not self._running:
            fired, windows = self.health.last_fired, self._watch.windows
            self._bookmark.keep(self._seen, fired, windows, last=last)

    async def _idle(self, reader: Reader) -> None:
        """Wait for a record, for the end of a pause, or to be stirred."""
        waits = [reader.wait(), self._stirred.wait(), *map(self._sleep, self._pauses())]
        tasks = [asyncio.ensure_future(each) for each in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._stirred.clear()

    def _pauses(self) -> list[float]:
        """Seconds until something is to be done though no record comes."""
        found = []
        if (due := self._watch.windows.due()) is not None:
            found.append(max(0.0, due / 1000 - self._now()))
        patience = self._bookmark.patience()
        if patience is not None and not self._running:  # else the end of what runs stirs
            found.append(patience)
        return found
