"""Answering a query from memory and files alike: each record once, whichever holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from towline.record import Record
from towline.store.query import Bucket, Filter, Page, Query
from towline.store.search import Tally, find, may_hold

if TYPE_CHECKING:
    from towline.store.log import Store

T = TypeVar("T")


async def page(store: Store, query: Query) -> Page:
    """At most `query.limit` records in the order asked for."""
    wanted = query.limit + 1
    # memory first and at once: it moves on while files are read
    newest = list(islice(_in_memory(store, query), wanted))
    rest = wanted - len(newest) if query.newest_first else wanted
    oldest = await _in_files(store, query, lambda hits: list(islice(hits, rest))) if rest else []
    found = newest + oldest if query.newest_first else oldest + newest
    records = found[: query.limit]
    more = records and len(found) > query.limit
    return Page(records, records[-1].offset if more else None)


async def tally(store: Store, query: Query, width_ms: int) -> list[Bucket]:
    """Records counted per bucket of time and level, oldest first."""
    counted = Tally(width_ms)
    counted.add_all(_in_memory(store, query))
    await _in_files(store, query, counted.add_all)
    return counted.buckets()


def _in_memory(store: Store, query: Query) -> Iterator[Record]:
    records = store.ring.slice(store.memory_offset, len(store.ring))
    return filter(Filter(query), reversed(records) if query.newest_first else records)


async def _in_files(
    store: Store, query: Query, collect: Callable[[Iterator[Record]], list[T]]
) -> list[T]:
    """Run `collect` in a thread over what the files hold and memory does not."""
    edge = store.memory_offset
    if not store.segments or store.segments[0].first >= edge:
        return []
    query = replace(query, before=edge if query.before is None else min(edge, query.before))
    # decided here: the facts of the open file change in this thread
    segments = [segment for segment in store.segments if may_hold(segment, query)]
    return await asyncio.to_thread(collect, find(segments, query, store.decode))
