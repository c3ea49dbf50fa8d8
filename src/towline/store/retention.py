"""What goes, and when: records that are too old, files beyond the size, files on a short disk."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import weakref
from collections.abc import Callable
from typing import Final

from towline.config.settings import Upkeep
from towline.store.log import Store
from towline.store.rules import Rules, Share
from towline.store.segment import Segment
from towline.trouble import Trouble

_log = logging.getLogger(__name__)
LEAST_FILE: Final = 64_000
FILES: Final = 8
"""Files that must fit into `max_size`, and twice as many on the disk: the oldest one goes whole."""

FLOOR: Final = 20
"""On a small disk this part of it stays free, where `min_free` asks for more."""

JUMP: Final = 600.0
"""Seconds by which the clock may have been set between two cleanings. Beyond that nothing is
removed for its age this time: the next one shows whether the clock means it."""


class Retention:
    """Removes from a store what its settings do not allow to stay.

    A file whose records are all too old goes whole, and its facts tell so. Only where rules keep
    some records longer than others is a file looked into, once, and written anew when it is worth
    it. `clock` is Unix time; `monotonic` does not jump.
    """

    def __init__(
        self,
        store: Store,
        settings: Upkeep,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._ahead: float | None = None
        self._rules = Rules(settings.rules, settings.max_age)
        self._shares: weakref.WeakKeyDictionary[Segment, tuple[Share, ...]] = (
            weakref.WeakKeyDictionary()
        )
        self._short = Trouble(
            _log, "the disk is short: old records go", "the disk has room again", extra={}
        )

    def file_size(self) -> int:
        """How large a file may grow: several must fit into the bounds of store and disk."""
        bounds = [self._settings.max_size // FILES]
        if disk := self._disk():
            bounds.append(disk.f_blocks * disk.f_frsize // (2 * FILES))
        return min(self._settings.max_file_size, max(LEAST_FILE, min(bounds)))

    async def clean(self) -> int:
        """Remove what is too old or too much; return how many records went."""
        async with self._store.files.changing:
            gone = 0 if self._has_jumped() else await self._clean_by_age()
            while self._store.files.size > self._settings.max_size:
                if (removed := await self._drop_oldest()) is None:
                    break
                gone += removed
            return gone

    def _has_jumped(self) -> bool:
        ahead = self._clock() - self._monotonic()
        before, self._ahead = self._ahead, ahead
        jumped = before is not None and abs(ahead - before) > JUMP
        if jumped:
            _log.warning("the clock was set: nothing is removed for its age until it is certain")
        return jumped

    async def _clean_by_age(self) -> int:
        store, now, gone = self._store, self._clock(), 0
        for segment in list(store.segments):
            facts = segment.facts
            horizons = self._horizons(segment, now)
            too_old = facts.newest < min(horizons)
            some_are = len(horizons) > 1 and facts.oldest < max(horizons)
            if not facts.count or not (too_old or some_are):
                continue
            if store.files.is_open(segment):  # of a quiet store, it may be for long
                store.files.roll()
                await store.files.settle()
            if store.files.is_open(segment):
                continue  # the disk refuses
            if too_old:
                gone += facts.count
                await store.drop(segment)
            else:
                gone += await self._thin(segment, now)
        return gone

    def _horizons(self, segment: Segment, now: float) -> set[float]:
        """The times before which its records are too old: those of the ages that may hold."""
        found = self._rules.horizons(now)
        if segment.facts.oldest >= max(found):  # whatever holds
            return {min(found)}
        return {found[at] for at in self._rules.possible(segment.facts, self._store.decode)}

    async def _thin(self, segment: Segment, now: float) -> int:
        """Look into a file, unless that was done before, and write it anew if it is worth it."""
        store, rules = self._store, self._rules
        shares = self._shares.get(segment)
        if shares is None:
            shares = await asyncio.to_thread(rules.measure, segment, store.decode)
            self._shares[segment] = shares
        if not rules.worth(shares, now):
            return 0
        self._shares.pop(segment, None)
        return await store.thin(segment, rules.stale(now))

    async def make_room(self) -> int:
        """Remove the oldest files while the disk is short; return how many records went."""
        gone = 0
        if not self._is_short():
            self._short.over()
            return gone
        async with self._store.files.changing:
            while self._is_short() and (removed := await self._drop_oldest()) is not None:
                self._short.happened("too little free space")
                gone += removed
        return gone

    def _is_short(self) -> bool:
        disk = self._disk()
        if disk is None:
            return False
        floor = min(self._settings.min_free, disk.f_blocks * disk.f_frsize // FLOOR)
        return disk.f_bavail * disk.f_frsize < floor

    def _disk(self) -> os.statvfs_result | None:
        try:
            return os.statvfs(self._store.path) if self._store.persistent else None
        except OSError:
            return None

    async def _drop_oldest(self) -> int | None:
        """Drop the oldest closed file; None where there is none."""
        store = self._store
        oldest = next(iter(store.segments), None)
        if oldest is None or store.files.is_open(oldest):
            return None
        count = oldest.facts.count
        await store.drop(oldest)
        return count
