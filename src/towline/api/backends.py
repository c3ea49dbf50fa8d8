"""Backends: state, cursor, lag; what those hold that can be asked; pause, resume, replay."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.asked import FILTERS, PAGING, Asked, pairs
from towline.api.bodies import read_object
from towline.api.desk import Desk
from towline.delivery.delivery import Delivery
from towline.errors import QueryError
from towline.ports import Queryable
from towline.record import record_id
from towline.store.query import Query

MOST_DEAD: Final = 1000


async def backends(desk: Desk, request: Request) -> Response:
    """State, cursor, lag and counters of every backend."""
    found = desk.towline.backends()
    return answers.json({"count": len(found), "backends": found})


async def held(desk: Desk, request: Request) -> Response:
    """What a backend holds, newest first; 405 where it cannot be asked."""
    name = request.path_params["name"]
    backend = desk.towline.backend(name)
    if not isinstance(backend, Queryable):
        text = f"{name} takes records and cannot be asked for them; ask /api/v1/logs"
        return answers.error(405, "stream_only", text, headers={"Allow": ""})
    asked = Asked(request.query_params.multi_items(), (*FILTERS, *PAGING))
    return answers.records(await backend.query(asked.query()), None)


async def pause(desk: Desk, request: Request) -> Response:
    """Send a backend nothing until it is resumed, over restarts."""
    delivery = _delivery(desk, request)
    delivery.pause()
    return _done(desk, request, delivery, "paused")


async def resume(desk: Desk, request: Request) -> Response:
    """Go on sending from where the backend stands."""
    delivery = _delivery(desk, request)
    delivery.resume()
    return _done(desk, request, delivery, "resumed")


async def replay(desk: Desk, request: Request) -> Response:
    """Send again from a time or a record on: `{since}` or `{from}`."""
    delivery = _delivery(desk, request)
    asked = Asked(pairs(await read_object(request)), ("since", "from"))
    if ("since" in asked) == ("from" in asked):
        raise QueryError("bad_parameter", "say since (a time) or from (the id of a record)")
    offset = asked.offset("from")
    if offset is None:
        oldest = Query(since=asked.instant("since"), newest_first=False, limit=1)
        found = (await desk.towline.store.query(oldest)).records
        offset = found[0].offset if found else desk.towline.store.next_offset
    moved = delivery.move(offset)
    return _done(desk, request, delivery, f"replayed from {record_id(moved)}")


async def dead(desk: Desk, request: Request) -> Response:
    """Records that a backend will never take, each with the reason, in the order of their ids."""
    delivery = _delivery(desk, request)
    asked = Asked(request.query_params.multi_items(), ("limit", "after"))
    after, limit = asked.offset("after"), asked.whole("limit", 100, least=1, most=MOST_DEAD)
    least = "" if after is None else record_id(after)
    rows, next_id = await asyncio.to_thread(delivery.dead.page, least, limit)
    return answers.page("dead", rows, next_id)


async def revive(desk: Desk, request: Request) -> Response:
    """Send again what was set aside; what is refused again is set aside anew."""
    delivery = _delivery(desk, request)
    count = delivery.revive()
    return _done(desk, request, delivery, f"sends {count} records again that were set aside")


def _delivery(desk: Desk, request: Request) -> Delivery:
    return desk.towline.delivery(request.path_params["name"])


def _done(desk: Desk, request: Request, delivery: Delivery, what: str) -> Response:
    desk.towline.note(f"backend {delivery.name} {what}, by {desk.who(request)}")
    found: dict[str, Any] = {
        "name": delivery.name,
        "paused": delivery.paused,
        "cursor": record_id(delivery.cursor),
        "lag": delivery.lag,
    }
    return answers.json(found)
