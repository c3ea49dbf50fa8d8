"""Backends: state, cursor, lag; what those hold that can be asked."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.asked import FILTERS, PAGING, Asked
from towline.api.desk import Desk
from towline.ports import Queryable


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
