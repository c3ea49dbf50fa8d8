"""Stored records: search, count, histogram, export."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from towline.api import answers
from towline.api.asked import AROUND, EXPORT, FILTERS, FORMATS, PAGING, Asked, pairs
from towline.api.attended import attended
from towline.api.bodies import read_object
from towline.api.desk import Desk
from towline.api.export import RENDERERS, Render
from towline.errors import QueryError
from towline.record import record_id
from towline.store.log import Store
from towline.store.query import Page, Query

CHUNK: Final = 5000
"""Records of an export that are in memory at a time."""

MAX_BUCKETS: Final = 1000
_BUCKETS: Final = 60
_HOUR: Final = 3_600_000


async def search(desk: Desk, request: Request) -> Response:
    """Find records, newest first."""
    return await attended(request, _page(desk, request.query_params.multi_items()))


async def search_by_body(desk: Desk, request: Request) -> Response:
    """The same with the filters in the body: ingress refuses some query strings."""
    return await attended(request, _page(desk, pairs(await read_object(request))))


async def _page(desk: Desk, parameters: Iterable[tuple[str, str]]) -> Response:
    asked = Asked(parameters, (*FILTERS, *PAGING, *AROUND))
    shape = asked.choice("format", FORMATS, "json")
    around = asked.around()
    store = desk.towline.store
    store.answers.admit()
    page = await (_around(store, *around) if around else store.query(asked.query()))
    rows = [record.json for record in page.records]
    next_id = None if page.next is None else record_id(page.next)
    if shape == "json":
        return answers.records(rows, next_id, partial=page.partial)
    media_type, renderer = RENDERERS[shape]
    headers = {"X-Towline-Next": next_id} if next_id else {}
    if page.partial:
        headers["X-Towline-Partial"] = "true"
    if shape == "csv":
        headers["Content-Disposition"] = 'attachment; filename="logs.csv"'
    body = await asyncio.to_thread(renderer(), rows)
    return Response(body, 200, headers, media_type)


async def _around(store: Store, query: Query, offset: int, count: int) -> Page:
    """The record at an offset and `count` to either side of it, oldest first."""
    older = replace(query, before=offset + 1, limit=count + 1, newest_first=True)
    newer = replace(query, after=offset, limit=count, newest_first=False)
    before, after = await store.query(older), await store.query(newer)
    partial = before.partial or after.partial
    return Page([*reversed(before.records), *after.records], None, partial)


async def count(desk: Desk, request: Request) -> Response:
    """How many records there are."""
    asked = Asked(request.query_params.multi_items(), FILTERS)
    return await attended(request, _counted(desk.towline.store, asked.filters()))


async def _counted(store: Store, query: Query) -> Response:
    store.answers.admit()
    return answers.json({"count": await store.count(query)})


async def remove(desk: Desk, request: Request) -> Response:
    """Remove stored records that match for good; `all=true` where no filter is given."""
    given = request.query_params.multi_items()
    asked = Asked(given, (*FILTERS, "all"))
    filtered = any(value for name, value in given if name != "all")
    if filtered == asked.flag("all", default=False):
        raise QueryError("bad_parameter", "say which records by filters, or all=true")
    removed = await desk.towline.remove(asked.filters())
    what = " ".join(f"{name}={value}" for name, value in given)
    desk.towline.note(f"{removed} records removed ({what}), by {desk.who(request)}")
    return answers.json({"removed": removed})


async def histogram(desk: Desk, request: Request) -> Response:
    """How many records there are per bucket of time and level; the last hour by default."""
    asked = Asked(request.query_params.multi_items(), (*FILTERS, "bucket"))
    query = asked.filters()
    until = round(time.time() * 1000) if query.until is None else query.until
    since = until - _HOUR if query.since is None else query.since
    span = max(until - since, 1)
    width = max(asked.duration("bucket") or -(-span // _BUCKETS), -(-span // MAX_BUCKETS))
    query = replace(query, since=since, until=until)
    return await attended(request, _histogram(desk.towline.store, query, width))


async def _histogram(store: Store, query: Query, width: int) -> Response:
    store.answers.admit()
    buckets = await store.histogram(query, width)
    return answers.json(
        {
            "since": query.since,
            "until": query.until,
            "bucket": width,
            "buckets": [{"start": b.start_ms, "counts": b.counts} for b in buckets],
        }
    )


async def export(desk: Desk, request: Request) -> Response:
    """All records that match, oldest first, as a file that is sent while it is read."""
    asked = Asked(request.query_params.multi_items(), (*FILTERS, *EXPORT))
    shape = asked.choice("format", tuple(RENDERERS), "ndjson")
    order = asked.choice("order", ("asc", "desc"), "asc")
    query = replace(asked.query(), limit=CHUNK, newest_first=order == "desc")
    media_type, renderer = RENDERERS[shape]
    suffix = {"text": "log"}.get(shape, shape)
    headers = {"Content-Disposition": f'attachment; filename="logs.{suffix}"'}
    store = desk.towline.store
    store.answers.admit()
    first = await store.query(query)  # what is wrong with the query is said before a file begins
    return StreamingResponse(_rest(store, query, first, renderer()), 200, headers, media_type)


async def _rest(store: Store, query: Query, page: Page, render: Render) -> AsyncIterator[bytes]:
    while True:
        yield await asyncio.to_thread(render, [record.json for record in page.records])
        if page.next is None:
            return
        if query.newest_first:
            query = replace(query, before=page.next)
        else:
            query = replace(query, after=page.next)
        page = await store.query(query)
