"""Answering queries from memory and files alike: each record once, whichever holds it.

Files are read in small pieces by a few threads of their own, so that many queries take turns, a
big one cannot keep the disk's syncs waiting, and the event loop is free.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from towline.errors import Overloaded
from towline.record import Record
from towline.store.codec import BLOCK
from towline.store.query import Bucket, Page, Query
from towline.store.search import PAGE_BYTES, Found, Piece, Plan, find
from towline.store.segment import Segment
from towline.store.tally import Tally, count

if TYPE_CHECKING:
    from towline.store.log import Store

T = TypeVar("T")

BUDGET: Final = 10.0
"""Seconds that one page or count may take."""

ACTIVE: Final = 16
"""Queries that take turns; more of them wait."""

WAITING: Final = 64
"""Queries that wait before strangers are refused."""

_THREADS: Final = 2
_GO: Final = 16
"""Blocks that a thread looks through in one go."""


class Answers:
    """Everything that is asked of a store: `active` queries take turns, `waiting` ones do not yet.

    `budget` is the seconds that one answer may take.
    """

    def __init__(self, store: Store) -> None:
        self.budget = BUDGET
        self._store = store
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="towline-query")
        self._turns = asyncio.Semaphore(ACTIVE)
        self.active = 0
        self.waiting = 0

    def close(self) -> None:
        """Start no more threads; what runs stops at its next block."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def admit(self) -> None:
        """`Overloaded` when so many wait that a stranger should come again; our own parts wait."""
        if self.waiting >= WAITING:
            raise Overloaded("too_many_queries", f"{ACTIVE + WAITING} queries are being answered")

    async def page(self, query: Query) -> Page:
        """At most `query.limit` records in the order asked for."""
        wanted = query.limit + 1
        found: list[Record] = []
        reached: int | None = None
        size = 0
        async with self._turn(query) as plan:
            deadline = time.monotonic() + self.budget
            jobs = self._finding(plan, wanted, deadline)
            async with aclosing(self._in_turn(jobs)) as results:
                async for each in results:
                    found += each.records
                    size += each.size
                    reached = each.reached
                    if len(found) >= wanted or size > PAGE_BYTES or reached is not None:
                        break
        records = found[: query.limit]
        if len(found) > query.limit or size > PAGE_BYTES:
            return Page(records, records[-1].offset if records else None)
        return Page(records, reached, partial=reached is not None)

    async def tally(self, query: Query, width_ms: int) -> list[Bucket]:
        """Records counted per bucket of time and level, oldest first; `Overloaded` if too slow."""
        whole = Tally(width_ms)
        async with self._turn(query) as plan:
            deadline = time.monotonic() + self.budget
            jobs = self._counting(plan, whole, deadline)
            async with aclosing(self._in_turn(jobs)) as results:
                async for each in results:
                    if each is None:
                        raise Overloaded(
                            "query_too_slow",
                            f"not counted within {self.budget:g} s: ask for less",
                        )
                    whole.join(each)
        return whole.buckets()

    @asynccontextmanager
    async def _turn(self, query: Query) -> AsyncIterator[Plan]:
        plan = Plan(query, self._store.decode)
        self.waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self.waiting -= 1
        self.active += 1
        try:
            yield plan
        finally:
            plan.stopped = True
            self.active -= 1
            self._turns.release()

    async def _in_turn(self, jobs: Iterator[Callable[[], T]]) -> AsyncGenerator[T, None]:
        """Results in the order of the jobs; after the first, one is begun ahead."""
        loop = asyncio.get_running_loop()
        begun: deque[asyncio.Future[T]] = deque()
        ahead = 1
        try:
            while True:
                for job in islice(jobs, ahead - len(begun)):
                    begun.append(loop.run_in_executor(self._threads, job))
                if not begun:
                    return
                yield await begun.popleft()
                ahead = _THREADS
        finally:
            for future in begun:
                future.cancel()

    def _finding(self, plan: Plan, wanted: int, deadline: float) -> Iterator[Callable[[], Found]]:
        memory, segments = self._held(plan)
        in_memory = partial(_look, plan, memory, wanted)
        if plan.query.newest_first:
            yield in_memory
        for segment in segments:
            for piece in _pieces(segment, newest_first=plan.query.newest_first):
                yield partial(find, plan, piece, wanted, deadline)
        if not plan.query.newest_first:
            yield in_memory

    def _counting(
        self, plan: Plan, whole: Tally, deadline: float
    ) -> Iterator[Callable[[], Tally | None]]:
        memory, segments = self._held(plan)
        yield partial(_count, plan, memory, whole.width)
        for segment in segments:
            if not whole.add_held(plan, segment.facts, segment.first):
                for piece in _pieces(segment, newest_first=False):
                    yield partial(count, plan, piece, whole.width, deadline)

    def _held(self, plan: Plan) -> tuple[list[Record], Iterator[Segment]]:
        """What may be asked for: of memory as it is now, as it moves on, and of the rest files."""
        store, query = self._store, plan.query
        plan.edge = edge = store.memory_offset
        start = edge if query.after is None else max(edge, query.after + 1)
        end = store.next_offset if query.before is None else min(store.next_offset, query.before)
        memory = store.ring.slice(start, end - start) if start < end else []
        segments = store.segments[::-1] if query.newest_first else list(store.segments)
        return memory, (each for each in segments if plan.may_hold(each.facts, each.first))


def _pieces(segment: Segment, *, newest_first: bool) -> list[Piece]:
    number = max(1, segment.facts.length // (_GO * BLOCK))
    known = segment.snapshot()
    made = [Piece(segment, known, at * _GO, (at + 1) * _GO) for at in range(number)]
    made[-1].end = None
    return made[::-1] if newest_first else made


def _look(plan: Plan, records: list[Record], wanted: int) -> Found:
    newest_first = plan.query.newest_first
    found = Found()
    for record in filter(plan.wanted, reversed(records) if newest_first else records):
        if found.take(record, wanted):
            break
    return found


def _count(plan: Plan, records: list[Record], width_ms: int) -> Tally:
    tally = Tally(width_ms)
    tally.add_all(filter(plan.wanted, records))
    return tally
