"""The store: the append-only log that every record enters first.

Records go to memory and, in the same turn of the loop, to the open file. The ring is the write
buffer: what the disk refuses stays in memory as long as there is room, and is written when the
disk takes it again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Self

from towline.config.settings import Store as StoreSettings
from towline.errors import StoreError
from towline.pipeline.encode import Decoder
from towline.record import Record
from towline.status import Health
from towline.store.account import Account
from towline.store.answer import Answers
from towline.store.checkpoints import Checkpoints
from towline.store.cursors import Cursors
from towline.store.files import Files
from towline.store.labels import Labels
from towline.store.lock import is_read_only, take
from towline.store.query import Bucket, Page, Query
from towline.store.reader import Reader
from towline.store.recover import recover
from towline.store.ring import Ring
from towline.store.segment import Segment
from towline.store.tails import tails
from towline.store.writing import Writing

_log = logging.getLogger(__name__)


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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = settings.path
        self.health = Health()
        self._persist = settings.persist
        self._clock = clock
        self._lock = -1
        self.decode = Decoder()
        self.account = Account(None)
        self.files = Files(settings.path / "logs", self.decode, self._wrote)
        self.writing = Writing(self.files, self.health, Ring(memory, 0), monotonic)
        self.started = 0
        self.answers = Answers(self)
        self._flushing = False
        self._waiters: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> Self:
        """Take the folder, recover what an earlier run left; `StoreError` when it is not ours."""
        read_only = self._persist and is_read_only(self.path)
        self._persist = self._persist and not read_only
        try:
            self._recover()
        except OSError as exc:
            self._let_go()
            raise StoreError(f"cannot use the data folder {self.path}: {exc.strerror}") from exc
        except BaseException:
            self._let_go()
            raise
        # an offset is never given twice, not even after a power cut took the newest records:
        # the clock is ahead of any count of records, and the files are there if the clock is not
        newest = max((segment.facts.last for segment in self.segments), default=-1)
        self.started = max(newest + 1, int(self._clock() * 1000) << 20)
        self.writing.begin(self.started, self.account)
        self.remember()
        if read_only:
            _log.error("the disk is read-only: records are in memory alone")
            self.health.degraded("the disk is read-only: records are in memory alone")
        else:
            self.health.up()
        return self

    def _recover(self) -> None:
        folder = self.path if self._persist else None
        if folder:
            self._lock = take(folder)
        self.labels = Labels(folder and folder / "labels.ndjson", self.decode)
        if folder:
            recover(self.files, self.decode)
            self.files.resume()
        self.account = Account(folder and folder / "account.json", clock=self._clock)
        self.account.recover(self.segments)
        self.cursors = Cursors(folder and folder / "cursors", self._wrote)
        self.checkpoints = Checkpoints(folder and folder / "checkpoints", self._wrote)
        self.checkpoints.learn(tails(self.files, self.checkpoints.covered))

    async def __aexit__(self, *exc: object) -> None:
        """Write, sync and let go of the folder."""
        try:
            self.flush()
            await self.files.settle()
            if self._persist:
                await asyncio.to_thread(self.files.release)
            self.account.taken.finish(self.writing.written)
        except OSError as exc:  # the next start finds out how far the files reach
            _log.error("the store ends unsynced", extra={"reason": exc.strerror})
        finally:
            self.remember()
            self.cursors.close()
            self.answers.close()
            self.health.stopped()
            self._let_go()

    def _let_go(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def segments(self) -> list[Segment]:
        """The files, oldest first."""
        return self.files.segments

    @property
    def ring(self) -> Ring:
        """The newest records, in memory."""
        return self.writing.ring

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

    def _wrote(self, kind: str, nbytes: int) -> None:
        self.account.wrote(kind, nbytes)

    def remember(self) -> None:
        """Put the account on disk."""
        try:
            self.account.save()
        except OSError as exc:
            _log.warning("the store's account is not kept", extra={"reason": exc.strerror})

    def held(self, offset: int) -> int:
        """How many records at or after `offset` the store holds."""
        files = [segment.facts for segment in self.segments if segment.facts.last >= offset]
        in_files = sum(min(facts.count, facts.last - offset + 1) for facts in files)
        in_memory = max(self.writing.written, self.ring.first) if self._persist else self.ring.first
        return in_files + max(0, self.next_offset - max(offset, in_memory))

    def append(self, records: list[Record]) -> None:
        """Take records whose offsets follow on from `next_offset`."""
        if not records:
            return
        origin = records[0].origin
        if origin.container_id:
            self.labels.learn(origin)
        if self._persist:
            self.writing.take(records)
        else:
            self.ring.extend(records)
            self.ring.forget(self.ring.fitting())
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
        self.writing.flush_now_and_then()

    def flush(self) -> None:
        """Write what is only in memory; a disk that refuses degrades the store, no more."""
        if self._persist:
            self.writing.flush()

    async def sync(self) -> int:
        """Bring everything appended so far onto the disk; return the offset it reaches."""
        return await self.writing.sync() if self._persist else self.next_offset

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
        return Reader(self, offset, memory_only=memory_only)

    def on_disk(self, offset: int) -> bool:
        """Whether the files hold anything at or after `offset`."""
        return any(segment.facts.last >= offset for segment in reversed(self.segments))

    def resize(self, memory: int) -> None:
        """Keep another number of records in memory."""
        if self._persist:
            self.writing.resize(memory)
        elif memory != self.ring.capacity:
            self.writing.ring = self.ring.resized(memory)

    async def drop(self, segment: Segment) -> None:
        """Remove a closed file; whoever had not read it counts what it missed."""
        await self.files.settle()
        self.account.taken.reach(segment.facts.last + 1)
        self.remember()
        self.files.remove(segment)

    def forget(self, goes: Callable[[Record], bool], before: int) -> int:
        """Remove records from memory; return how many of them are in no file."""
        gone = self.ring.take_out(goes, before)
        return (
            sum(offset >= self.writing.written for offset in gone) if self._persist else len(gone)
        )

    async def thin(self, segment: Segment, goes: Callable[[Record], bool]) -> int:
        """Remove records from a closed file; return how many. The others stay as they are."""
        await self.files.settle()
        self.account.taken.reach(segment.facts.last + 1)
        self.remember()
        return await self.files.without(segment, goes)

    async def query(self, query: Query) -> Page:
        """A page of records from memory and files alike."""
        return await self.answers.page(query)

    async def count(self, query: Query) -> int:
        """How many records a query asks for."""
        found = await self.answers.tally(query, 1 << 62)
        return sum(sum(bucket.counts.values()) for bucket in found)

    async def histogram(self, query: Query, bucket_ms: int) -> list[Bucket]:
        """How many records there are per bucket of time and level, oldest first."""
        return await self.answers.tally(query, bucket_ms)
