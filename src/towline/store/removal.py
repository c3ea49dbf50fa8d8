"""Removing stored records that a person asks to be gone, from memory and files alike."""

from __future__ import annotations

from dataclasses import replace

from towline.errors import StoreError
from towline.store.log import Store
from towline.store.query import Filter, Query
from towline.store.search import Plan


async def remove(store: Store, query: Query) -> int:
    """Remove what a query matches of all that is stored now; return how many records that were.

    The space is free when it returns. `StoreError` when the disk refuses: then some are gone.
    """
    fence = store.next_offset
    before = fence if query.before is None else min(fence, query.before)
    query = replace(query, before=before)
    goes, plan = Filter(query), Plan(query, store.decode)
    async with store.files.changing:
        try:
            store.flush()
            gone = store.forget(goes, before)
            for segment in store.segments[-1:]:
                if plan.may_hold(segment.facts, segment.first):
                    store.files.roll()
            await store.files.settle()
            for segment in list(store.segments):
                if segment.facts.count and plan.may_hold(segment.facts, segment.first):
                    gone += await store.thin(segment, goes)
        except OSError as exc:
            raise StoreError(f"records are left, the disk refuses: {exc.strerror}") from exc
    return gone
