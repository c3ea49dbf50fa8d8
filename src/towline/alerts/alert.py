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
from towline.alerts.progress import Keeper, Progress, rule_of
from towline.alerts.rules import Change, Sieve, Windows, group_of
from towline.config.alerts import Alert as Settings
from towline.record import Record
from towline.status import Health
from towline.store.log import Store
from towline.store.reader import Reader

MOST: Final = 500
"""Records looked at before others get their turn."""

AT_ONCE: Final = 100
"""Changes whose actions are under way; with more the alert reads on later, and loses nothing."""

SAVE_EVERY: Final = 30.0
SETTLE: Final = 1.0
"""Seconds that the last lines of a container may come after the event that ended it."""


class AlertHealth(Health):
    """A health that also says when the alert fired last (milliseconds)."""

    __slots__ = ("last_fired",)

    def __init__(self) -> None:
        super().__init__()
        self.last_fired: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return super().as_json() | {"lastFired": self.last_fired}


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
        self._keeper = Keeper(store.path / "alerts" if store.persistent else None, name)
        self._rule = rule_of(settings)
        self._sieve = Sieve(settings)
        self._windows = Windows(settings)
        self._running: set[asyncio.Task[None]] = set()
        self._reader: Reader | None = None
        self._missed = 0
        self._seen = 0
        self._undone = False
        self._saved_at = 0.0
        self._saved_offset = -1
        self._ending = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._save()
        self.health.stopped()

    @property
    def lag(self) -> int:
        """How many records it has not looked at yet, those of this run."""
        behind = self._store.next_offset - max(self._seen, self._store.started)
        return behind if self._reader else 0

    @property
    def firing(self) -> list[str]:
        """Groups for which it fired and is not over."""
        return self._windows.firing

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
        self._ending.set()

    async def run(self) -> None:
        """Until cancelled or drained."""
        self.health.up()
        if not self.settings.enabled:
            self._keeper.forget()  # what happens meanwhile is no alarm later
            await self._ending.wait()
            return
        self._seen = self._begin()
        self._reader = reader = self._store.reader(self._seen)
        self._save()
        async with asyncio.TaskGroup() as tasks:
            while True:
                records = await reader.take(MOST)
                self._count_missed(reader)
                for record in records:
                    await self._room()
                    self._look(record, tasks)
                self._seen = reader.offset
                self._resolve(tasks)
                self._save_now_and_then()
                if records:
                    await asyncio.sleep(0)
                elif self._ending.is_set():
                    return
                else:
                    await self._idle(reader)

    def _begin(self) -> int:
        """The offset to begin at. What was kept too long ago has nothing that could still alarm."""
        kept = self._keeper.load()
        if kept is None or self._now() - kept.saved > self.settings.max_age:
            return self._store.next_offset
        self.health.last_fired = kept.last_fired
        if kept.rule == self._rule:
            try:
                self._windows.restore(kept.windows)
            except msgspec.ValidationError:
                return self._store.next_offset
        return kept.offset

    def _count_missed(self, reader: Reader) -> None:
        if lost := reader.missed - self._missed:
            self.health.counters["missed"] += lost
            self._missed = reader.missed

    async def _room(self) -> None:
        """Wait while too many actions are under way."""
        while len(self._running) >= AT_ONCE:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    def _look(self, record: Record, tasks: asyncio.TaskGroup) -> None:
        self._seen = record.offset + 1
        if not self._sieve(record):
            return
        now = round(self._now() * 1000)
        if now - record.timestamp > self.settings.max_age * 1000:
            self.health.counters["stale"] += 1
            return
        self.health.counters["matched"] += 1
        windows = self._windows
        group = group_of(record, self.settings.group, self._device)
        change = windows.hit(group, record.timestamp, now)
        self.health.counters["suppressed"] = windows.suppressed
        self.health.counters["forgotten"] = windows.forgotten
        if change is not None:
            self._happened(change, record, tasks)

    def _resolve(self, tasks: asyncio.TaskGroup) -> None:
        for change in self._windows.over(round(self._now() * 1000)):
            self._happened(change, None, tasks)

    def _happened(self, change: Change, record: Record | None, tasks: asyncio.TaskGroup) -> None:
        state = FIRED if change.fired else RESOLVED
        self.health.counters[state] += 1
        if change.fired:
            self.health.last_fired = change.at
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
            if not self._ending.is_set():
                await self._sleep(SETTLE)
            lines = await last_lines(self._store, record, self.settings.with_lines)
        found = occasion(self.name, self._device, change, record, lines)
        if not await self.runner.run(found):
            self._undone = True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._undone = True
        elif not self._running:
            self._save()

    def _save_now_and_then(self) -> None:
        moved = self._seen != self._saved_offset
        if moved and self._now() - self._saved_at >= SAVE_EVERY:
            self._save()

    def _save(self) -> None:
        """Keep how far it got, unless an action is under way or was left undone."""
        if self._running or self._undone or self._reader is None:
            return
        self._saved_at, self._saved_offset = self._now(), self._seen
        self._keeper.save(
            Progress(
                offset=self._seen,
                saved=self._saved_at,
                last_fired=self.health.last_fired,
                rule=self._rule,
                windows=self._windows.state(),
            )
        )

    async def _idle(self, reader: Reader) -> None:
        """Wait for a record, for the end of a quiet time, or to be drained."""
        waits = [asyncio.ensure_future(reader.wait()), asyncio.ensure_future(self._ending.wait())]
        due = self._windows.due()
        if due is not None:
            pause = max(0.0, due / 1000 - self._now())
            waits.append(asyncio.ensure_future(self._sleep(pause)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
