"""What keeps the store in order: sync, checkpoints, retention."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from towline.config.settings import Upkeep as UpkeepSettings
from towline.record import Origin
from towline.status import Health
from towline.store.checkpoints import Checkpoint
from towline.store.log import Store
from towline.store.retention import Retention
from towline.store.tails import tails

_log = logging.getLogger(__name__)
CLEAN_EVERY = 3600.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a source has read: checkpoints that are due, and from which offset on the rest lies.

    `saved` is called once the checkpoints are on disk.
    """

    points: list[Checkpoint]
    covered: int
    saved: Callable[[], None]


@runtime_checkable
class Progressing(Protocol):
    """A source that can be read again from a checkpoint."""

    def progress(self, *, final: bool = False) -> Progress:
        """Where it stands; `final` asks for every checkpoint, due or not."""


@runtime_checkable
class Rereads(Progressing, Protocol):
    """A source that can be sent back while it runs: its next `run` goes on from what is on disk."""

    def rereads(self, origin: Origin) -> bool:
        """Whether it can read again, from its checkpoint, what it emitted of an origin."""

    def go_back(self) -> None:
        """Forget how far it has read."""


class Runs(Protocol):
    """What runs a source, and can have it run anew."""

    def release(self) -> None:
        """Append what is held back of it."""

    def halt(self) -> None:
        """From now on nothing that the source emits is taken; end its run."""

    async def halted(self) -> None:
        """Until that run has ended."""

    def go_on(self) -> None:
        """Run it again."""


class Ledger:
    """The sources whose progress is kept: each syncs with the store, none with another."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sources: dict[Progressing, Runs | None] = {}
        self._halted: list[Runs] = []
        store.writing.rereads = self._rereads

    def join(self, source: Progressing, runs: Runs | None = None) -> None:
        """Keep a source's progress from now on."""
        self._sources[source] = runs

    def _rereads(self, origin: Origin | None) -> bool:
        return any(origin is None or source.rereads(origin) for source, _ in self._movable())

    def _movable(self) -> list[tuple[Rereads, Runs]]:
        return [(s, runs) for s, runs in self._sources.items() if runs and isinstance(s, Rereads)]

    async def mend(self) -> None:
        """Where the disk refused more than memory holds: once it takes writes, go back.

        Sources go on from what the files have, as after a crash. Nothing of them is taken until
        that is known.
        """
        movable = self._movable() if self._store.writing.hole else []
        for _, runs in movable:
            runs.release()  # else it would come after what is read again
        if movable and self._store.writing.mend():
            for source, runs in movable:
                runs.halt()
                source.go_back()
                self._halted.append(runs)
        if not self._halted:
            return
        for runs in self._halted:
            await runs.halted()
        store = self._store
        found = await asyncio.to_thread(tails, store.files, store.checkpoints.covered)
        store.checkpoints.learn(found)
        while self._halted:
            self._halted.pop().go_on()

    async def leave(self, source: Progressing) -> None:
        """No more, after one last save."""
        try:
            await self.save(final=True)
        except OSError as exc:
            _log.warning("last checkpoints not saved", extra={"reason": exc.strerror})
        finally:
            self._sources.pop(source, None)

    async def save(self, *, final: bool = False) -> None:
        """Sync the store, then write the checkpoints of what was read before the sync."""
        if self._halted:
            return
        progress = [source.progress(final=final) for source in self._sources]
        due = self._store.next_offset
        reached = await self._store.sync()
        if reached < due:
            return  # the disk refuses: what was read since must be read again after a crash
        covered = min([reached, *(step.covered for step in progress)])
        points = [point for step in progress for point in step.points]
        await asyncio.to_thread(self._store.checkpoints.save, points, covered)
        for step in progress:
            step.saved()


class Upkeep:
    """Syncs every `flush` seconds and cleans up every hour."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        settings: UpkeepSettings,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.health = Health()
        self._store = store
        self._ledger = ledger
        self._settings = settings
        self._retention = Retention(store, settings, clock=clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self) -> None:
        """Until cancelled; a disk that refuses is said, and tried again."""
        settings, store = self._settings, self._store
        store.resize(settings.memory)
        store.files.max_file_size = self._retention.file_size()
        store.files.compression = settings.compression
        self.health.up()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sync())
            tasks.create_task(self._clean())

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(self._settings.flush)
            try:
                self._count(await self._retention.make_room())
                await self._ledger.mend()
                await self._ledger.save()
            except OSError as exc:
                self.health.degraded(f"cannot sync: {exc.strerror}")
                _log.warning("the store cannot sync", extra={"reason": exc.strerror})
            else:
                self.health.up()

    async def _clean(self) -> None:
        while True:
            try:
                await self.clean()
            except OSError as exc:
                self.health.degraded(f"cannot clean up: {exc.strerror}")
                _log.warning("old records cannot be removed", extra={"reason": exc.strerror})
            await asyncio.sleep(CLEAN_EVERY)

    async def clean(self) -> int:
        """Remove what the retention does not allow; return how many records went."""
        gone = await self._retention.clean()
        self._store.files.close_again()
        self._store.remember()
        return self._count(gone)

    def _count(self, gone: int) -> int:
        if gone:
            self.health.counters["removed"] += gone
            _log.info("old records removed", extra={"records": gone})
        return gone
