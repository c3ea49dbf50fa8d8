"""From memory to the files. Memory is the write buffer: what the disk refuses stays there as long
as there is room. What memory must forget before the disk took it is a hole: its sources read it
again once the disk takes writes, and where they cannot, it is counted as unwritten.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from towline.record import Origin, Record
from towline.status import Health, State
from towline.store.account import Account
from towline.store.files import Files
from towline.store.ring import MOST_BYTES, Ring

_log = logging.getLogger(__name__)
PIECE: Final = 128
"""Records written at once: a larger text would be given fresh pages by the kernel every time."""

RETRY: Final = 1.0
"""Seconds between attempts to write to a disk that refuses."""

MEND: Final = 10.0
"""Seconds between two times that sources are sent back, where a disk comes and goes."""

PROBE: Final = 16_384
"""Bytes that a disk must take before sources are sent back to read again what it refused."""


class Writing:
    """Writes what is appended to `ring`, up to offset `written` so far.

    `rereads` tells of an origin whether its source could read it again; of None, whether any source
    could read anything. While there is a hole, nothing is written: what the files have of an origin
    must be all of it up to some row.
    """

    def __init__(
        self, files: Files, health: Health, ring: Ring, monotonic: Callable[[], float]
    ) -> None:
        self.ring = ring
        self.written = ring.first
        self.account = Account(None)
        self.rereads: Callable[[Origin | None], bool] = lambda _: False
        self.hole = False
        self._sound = True
        self._forgotten: Counter[Origin | None] = Counter()
        self._files = files
        self._health = health
        self._monotonic = monotonic
        self._refused_at = -RETRY
        self._mended_at = -MEND

    def begin(self, offset: int, account: Account) -> None:
        """A run begins at an offset."""
        self.ring = Ring(self.ring.capacity, offset)
        self.written = offset
        self.account = account
        account.taken.begin(offset)

    def take(self, records: list[Record]) -> None:
        """Into memory, in pieces that it can hold until they are written."""
        ring = self.ring
        for start in range(0, len(records), ring.capacity):
            piece = records[start : start + ring.capacity]
            if ring.next - self.written + len(piece) > ring.capacity:
                self.flush_now_and_then()  # before the ring forgets what is not written yet
                self._lose(ring.next - self.written + len(piece) - ring.capacity)
            ring.extend(piece)
            if ring.size > MOST_BYTES:
                self._lighten()

    def _lighten(self) -> None:
        """Forget the oldest records, which are too large together, once they are written."""
        first = self.ring.fitting()
        if first > self.written:
            self.flush_now_and_then()
            self._lose(first - self.written)
        self.ring.forget(first)

    def resize(self, memory: int) -> None:
        """Keep another number of records in memory."""
        if memory != self.ring.capacity:
            self.flush()
            self._lose(self.ring.next - self.written - memory)
            self.ring = self.ring.resized(memory)

    def _lose(self, count: int) -> None:
        """Memory is about to forget so many records that the disk has not taken."""
        if count <= 0:
            return
        records, first = self.ring.slice(self.written, count), self.written
        self.written += count
        again = Counter(record.origin for record in records if self._comes_again(record))
        self._forget(first, self.written, again, len(records) - again.total())

    def _forget(self, first: int, end: int, again: Mapping[Any, int], lost: int) -> None:
        taken = self.account.taken
        if again and not self.hole:
            self.hole = True
            taken.finish(first)
        if self.hole:
            taken.add(first, end, lost)
            self._forgotten.update(again)
        if lost:
            self._health.counters["unwritten"] += lost
            self.account.totals["unwritten"] += lost

    def _comes_again(self, record: Record) -> bool:
        return record.seq > 0 and self.rereads(record.origin)

    def flush_now_and_then(self) -> None:
        """Flush, but do not ask a disk that refuses again and again."""
        if self._monotonic() - self._refused_at >= RETRY:
            self.flush()

    def flush(self) -> None:
        """Write what is only in memory; a disk that refuses degrades the store, no more."""
        if self.hole:
            return
        while self.written < self.ring.next:
            records = self.ring.slice(self.written, PIECE)
            try:
                if records:
                    self._files.append(records)
            except OSError as exc:
                self._refused(exc)
                return
            self.written = min(self.written + PIECE, self.ring.next)
        self._well()

    def _refused(self, exc: OSError) -> None:
        self._refused_at = self._monotonic()
        if self._health.state != State.DEGRADED:
            _log.error("the store cannot write", extra={"reason": exc.strerror})
        self._health.degraded(f"cannot write: {exc.strerror}")

    def _well(self) -> None:
        self._refused_at = -RETRY
        if not self.hole and self._sound and self._health.state == State.DEGRADED:
            self._health.up()

    async def sync(self) -> int:
        """Bring everything appended so far onto the disk; return the offset it reaches.

        After a sync that failed, what was written since the one before is in doubt: it is cut off,
        and written to a new file from memory.
        """
        if self._files.suspect:
            await self._doubt()
        self.flush()
        reached = self.written
        try:
            await self._files.sync()
        except OSError as exc:
            self._sound = False
            self._refused(exc)
            raise
        if not self._sound:
            self._sound = True
            self._well()
        return reached

    async def _doubt(self) -> None:
        """Take back what was written since the last good sync."""
        reached = await self._files.distrust()
        doubtful = max(0, self.written - reached)
        self._health.counters["in_doubt"] += doubtful
        _log.error(
            "a sync failed: what was written since the last one is written anew",
            extra={"records": doubtful},
        )
        if self.hole:
            return  # all of it is read again anyway
        self.written = max(reached, self.ring.first)
        if (count := self.written - reached) > 0:  # memory has forgotten whose they were
            again = Counter({None: count} if self.rereads(None) else {})
            self._forget(reached, self.written, again, count - again.total())

    def mend(self) -> bool:
        """Close the hole, if the disk takes writes again.

        What memory holds and no source reads again is written. The rest is left out: from now on
        the files have of each container all that its source has to go on from.
        """
        if self._monotonic() - self._mended_at < MEND or not self._takes_writes():
            return False
        ring, taken = self.ring, self.account.taken
        held = ring.slice(self.written, ring.next - self.written)
        kept = [record for record in held if not self._comes_again(record)]
        try:
            if kept:
                self._files.append(kept)
        except OSError as exc:
            self._refused(exc)
            return False
        self._forgotten.update(one.origin for one in held if self._comes_again(one))
        ring.take_out(lambda one: one.offset >= self.written and self._comes_again(one), ring.next)
        for record in kept:
            taken.add(record.offset, record.offset + 1, 1)
        taken.begin(ring.next)
        self.written, self.hole = ring.next, False
        self._mended_at = self._monotonic()
        self._count_again()
        self._well()
        return True

    def _count_again(self) -> None:
        for origin, count in self._forgotten.items():
            kind = "read_again" if self.rereads(origin) else "unwritten"
            self._health.counters[kind] += count
            self.account.totals[kind] += count
        _log.warning(
            "the disk takes writes again: sources read again what it did not take",
            extra={"records": self._forgotten.total()},
        )
        self._forgotten.clear()

    def _takes_writes(self) -> bool:
        probe = self._files.folder / "probe.part"
        try:
            with probe.open("wb") as file:
                file.write(bytes(PROBE))
                file.flush()
                os.fsync(file.fileno())
        except OSError as exc:
            self._refused(exc)
            return False
        finally:
            probe.unlink(missing_ok=True)
        return True
