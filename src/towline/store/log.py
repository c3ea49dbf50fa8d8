"""The store: the append-only log that every record enters first.

Records go to memory and, in the same turn of the loop, to the open file. The ring is the write
buffer: what the disk refuses stays in memory as long as there is room, and is written when the
disk takes it again.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Self, TypeVar

from towline.config.settings import Store as StoreSettings
from towline.errors import StoreError
from towline.pipeline.encode import Decoder
from towline.record import Record
from towline.status import Health, State
from towline.store.checkpoints import Checkpoints
from towline.store.cursors import Cursors
from towline.store.files import Files
from towline.store.labels import Labels
from towline.store.query import Bucket, Filter, Page, Query
from towline.store.reader import Reader
from towline.store.recover import recover, tails
from towline.store.ring import Ring
from towline.store.search import Tally, find
from towline.store.segment import Segment

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Store:
    """One log, many readers. Everything but `query` and file reads happens in the loop.

    `started` is the first offset of this run: before it offsets have holes between runs.
    """

    def __init__(
        self,
        settings: StoreSettings,
        *,
        memory: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = settings.path
        self.health = Health()
        self._persist = settings.persist
        self._clock = clock
        self._lock = -1
        self.decode = Decoder()
        self.files = Files(settings.path / "logs")
        self.ring = Ring(memory, 0)
        self.started = 0
        self._written = 0
        self._flushing = False
        self._waiters: set[asyncio.Future[None]] = set()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()

    async def __aenter__(self) -> Self:
        """Take the folder, recover what an earlier run left; `StoreError` when it is not ours."""
        if self._persist:
            self._lock = _take(self.path)
            self.labels = Labels(self.path / "labels.ndjson", self.decode.labels)
            recover(self.files, self.decode)
            self.files.resume()
        else:
            self.labels = Labels(None, self.decode.labels)
        self.cursors = Cursors(self.path / "cursors" if self._persist else None)
        self.checkpoints = Checkpoints(self.path / "checkpoints" if self._persist else None)
        self.checkpoints.tails = tails(self.files, self.decode, self.checkpoints.covered)
        # an offset is never given twice, not even after a power cut took the newest records:
        # the clock is ahead of any count of records, and the files are there if the clock is not
        newest = self.segments[-1].facts.last if self.segments else -1
        self.started = max(newest + 1, int(self._clock() * 1000) << 20)
        self.ring = Ring(self.ring.capacity, self.started)
        self._written = self.started
        self.health.up()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Write, sync and let go of the folder."""
        self.flush()
        await self.files.settle()
        if self._persist:
            await asyncio.to_thread(self.files.release)
        self.cursors.close()
        self.health.stopped()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def segments(self) -> list[Segment]:
        """The files, oldest first."""
        return self.files.segments

    @property
    def next_offset(self) -> int:
        """The offset that the next record will get."""
        return self.ring.next

    @property
    def memory_offset(self) -> int:
        """The offset of the oldest record in memory."""
        return self.ring.first

    @property
    def first_offset(self) -> int:
        """The offset of the oldest record kept."""
        return self.segments[0].first if self.segments else self.ring.first

    @property
    def persistent(self) -> bool:
        """Whether records are kept in files."""
        return self._persist

    def append(self, records: list[Record]) -> None:
        """Take records whose offsets follow on from `next_offset`."""
        if not records:
            return
        ring = self.ring
        if self._persist and ring.next - self._written + len(records) > ring.capacity:
            self.flush()  # before the ring forgets what is not written yet
        ring.extend(records)
        origin = records[0].origin
        if origin.labels:
            self.labels.learn(origin)
        if self._persist and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush_soon)
        if self._waiters:
            waiters, self._waiters = self._waiters, set()
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _flush_soon(self) -> None:
        self._flushing = False
        self.flush()

    def flush(self) -> None:
        """Write what is only in memory; a disk that refuses degrades the store, no more."""
        if not self._persist:
            return
        lost = self.ring.first - self._written
        if lost > 0:
            self.health.counters["unwritten"] += lost
            self._written = self.ring.first
        while self._written < self.ring.next:
            records = self.ring.slice(self._written, 5000)
            try:
                self.files.append(records)
            except OSError as exc:
                if self.health.state != State.DEGRADED:
                    _log.error("the store cannot write", extra={"reason": exc.strerror})
                self.health.degraded(f"cannot write: {exc.strerror}")
                return
            self._written += len(records)
        if self.health.state == State.DEGRADED:
            self.health.up()

    async def sync(self) -> int:
        """Bring everything appended so far onto the disk; return the offset it reaches."""
        self.flush()
        reached = self._written
        descriptor = self.files.descriptor()
        if descriptor >= 0:
            try:
                await asyncio.to_thread(os.fdatasync, descriptor)
            finally:
                os.close(descriptor)
        return reached

    async def appended(self) -> None:
        """Until something is appended."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def reader(self, offset: int, *, memory_only: bool = False) -> Reader:
        """A reader that begins at `offset`."""
        reader = Reader(self, offset, memory_only=memory_only)
        self._readers.add(reader)
        return reader

    def on_disk(self, offset: int) -> bool:
        """Whether the files hold anything at or after `offset`."""
        return self._persist and bool(self.segments) and self.segments[-1].facts.last >= offset

    def resize(self, memory: int) -> None:
        """Keep another number of records in memory."""
        if memory != self.ring.capacity:
            self.flush()
            self.ring = self.ring.resized(memory)

    async def drop(self, segment: Segment) -> None:
        """Remove a file; readers that had not come so far count what they miss."""
        behind = [reader for reader in self._readers if reader.offset <= segment.facts.last]
        for reader in behind:
            count = await asyncio.to_thread(segment.count_from, reader.offset)
            reader.lose(count, segment.facts.last + 1)
        self.files.remove(segment)

    async def query(self, query: Query) -> Page:
        """A page of records from memory and files alike."""
        wanted = query.limit + 1
        memory = self._in_memory(query)
        if query.newest_first:
            found = list(islice(memory, wanted))
            found += await self._in_files(
                query, lambda hits: list(islice(hits, wanted - len(found)))
            )
        else:
            newest = list(islice(memory, wanted))  # now: the ring moves on while files are read
            found = await self._in_files(query, lambda hits: list(islice(hits, wanted)))
            found = (found + newest)[:wanted]
        more = len(found) > query.limit
        records = found[: query.limit]
        return Page(records, records[-1].offset if more else None)

    async def count(self, query: Query) -> int:
        """How many records a query asks for."""
        tally = await self._tally(query, 1 << 62)
        return sum(sum(bucket.counts.values()) for bucket in tally)

    async def histogram(self, query: Query, bucket_ms: int) -> list[Bucket]:
        """How many records there are per bucket of time and level, oldest first."""
        return await self._tally(query, bucket_ms)

    async def _tally(self, query: Query, width_ms: int) -> list[Bucket]:
        tally = Tally(width_ms)
        for record in self._in_memory(query):
            tally.add(record)
        await self._in_files(query, tally.add_all)
        return tally.buckets()

    def _in_memory(self, query: Query) -> Iterator[Record]:
        records = self.ring.slice(self.ring.first, len(self.ring))
        ordered = reversed(records) if query.newest_first else iter(records)
        return filter(Filter(query), ordered)

    async def _in_files(
        self, query: Query, collect: Callable[[Iterator[Record]], list[T]]
    ) -> list[T]:
        """Run `collect` in a thread over what the files hold and memory does not."""
        edge = self.memory_offset
        if not self.on_disk(0) or self.segments[0].first >= edge:
            return []
        self.flush()
        before = edge if query.before is None else min(edge, query.before)
        hits = find(list(self.segments), replace(query, before=before), self.decode)
        return await asyncio.to_thread(collect, hits)


def _take(folder: Path) -> int:
    """Make the folder and hold it alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "towline.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as exc:
        raise StoreError(f"cannot use the data folder {folder}: {exc.strerror}") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        raise StoreError(f"another Towline uses the data folder {folder}") from exc
    return lock
