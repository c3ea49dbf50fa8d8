"""Stored records: search, count, histogram, removal."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.asked import FILTERS, FORMATS, PAGING, Asked, pairs
from towline.api.bodies import read_object
from towline.api.desk import Desk
from towline.api.export import RENDERERS
from towline.errors import QueryError
from towline.record import record_id
from towline.store.log import Store
from towline.store.query import Query

CHUNK: Final = 1000
"""Records asked of the store at once: other requests have their turn between two chunks."""

MAX_BYTES: Final = 16 << 20
"""Records in one answer; the page ends early there and `next` goes on."""

MAX_BUCKETS: Final = 1000
_BUCKETS: Final = 60
_HOUR: Final = 3_600_000


async def search(desk: Desk, request: Request) -> Response:
    """Find records, newest first."""
    return await _page(desk, request.query_params.multi_items())


async def search_by_body(desk: Desk, request: Request) -> Response:
    """The same with the filters in the body: ingress refuses some query strings."""
    return await _page(desk, pairs(await read_object(request)))


async def _page(desk: Desk, parameters: Iterable[tuple[str, str]]) -> Response:
    asked = Asked(parameters, (*FILTERS, *PAGING))
    shape = asked.choice("format", FORMATS, "json")
    rows, last = await gather(desk.towline.store, asked.query())
    next_id = None if last is None else record_id(last)
    if shape == "json":
        return answers.records(rows, next_id)
    media_type, render = RENDERERS[shape]
    headers = {"X-Towline-Next": next_id} if next_id else {}
    if shape == "csv":
        headers["Content-Disposition"] = 'attachment; filename="logs.csv"'
    return Response(render(rows), 200, headers, media_type)


async def gather(store: Store, query: Query) -> tuple[list[bytes], int | None]:
    """What a query asks for, piece by piece, and the offset to go on from."""
    rows: list[bytes] = []
    size = 0
    while True:
        page = await store.query(replace(query, limit=min(CHUNK, query.limit - len(rows))))
        for record in page.records:
            rows.append(record.json)
            size += len(record.json)
            if size > MAX_BYTES:
                return rows, record.offset
        if page.next is None or len(rows) >= query.limit:
            return rows, page.next
        if query.newest_first:
            query = replace(query, before=page.next)
        else:
            query = replace(query, after=page.next)


async def count(desk: Desk, request: Request) -> Response:
    """How many records there are."""
    asked = Asked(request.query_params.multi_items(), FILTERS)
    return answers.json({"count": await desk.towline.store.count(asked.filters())})


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
    buckets = await desk.towline.store.histogram(query, width)
    return answers.json(
        {
            "since": since,
            "until": until,
            "bucket": width,
            "buckets": [{"start": b.start_ms, "counts": b.counts} for b in buckets],
        }
    )
