"""Subscriptions of a broker: listed and changed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.bodies import read_object
from towline.api.configuration import STATUS
from towline.api.desk import Desk
from towline.errors import EditError


async def subscriptions(desk: Desk, request: Request) -> Response:
    """The subscriptions at a broker: state, counters, actions."""
    found = desk.towline.brokers.subscriptions.of(_broker(request))
    return answers.json({"count": len(found), "subscriptions": found})


async def edit(desk: Desk, request: Request) -> Response:
    """Write keys of a subscription into the file and apply them; others stay as they are."""
    etag = request.headers.get("if-match", "").removeprefix("W/").strip('"')
    name, wanted = str(request.path_params["id"]), await read_object(request)
    try:
        outcome = await desk.towline.brokers.subscriptions.edit(
            _broker(request), name, wanted, etag, desk.who(request)
        )
    except EditError as exc:
        return answers.error(STATUS.get(exc.code, 422), exc.code, str(exc))
    return answers.json(outcome)


def _broker(request: Request) -> str:
    return str(request.path_params["broker"])
