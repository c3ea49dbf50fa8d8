"""Brokers: read, changed, tried, connected anew."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.auth import is_loopback
from towline.api.bodies import read_object
from towline.api.configuration import STATUS
from towline.api.desk import Desk
from towline.errors import EditError
from towline.runtime.configuration import etag_of


async def brokers(desk: Desk, request: Request) -> Response:
    """Brokers, their keys and how they are; secrets are masked."""
    found = desk.towline.brokers.all()
    return answers.json({"count": len(found), "brokers": found})


async def broker(desk: Desk, request: Request) -> Response:
    """One broker's keys, as written and as they count; secrets are masked."""
    found = desk.towline.brokers.one(_name(request))
    return answers.json(found, headers=_etag(desk))


async def edit(desk: Desk, request: Request) -> Response:
    """Write a broker's keys into the file and apply them; `***` stands for what is there."""
    etag = request.headers.get("if-match", "").removeprefix("W/").strip('"')
    wanted = await read_object(request)
    try:
        outcome = await desk.towline.brokers.edit(_name(request), wanted, etag, desk.who(request))
    except EditError as exc:
        return answers.error(STATUS.get(exc.code, 422), exc.code, str(exc))
    return answers.json(outcome, headers=_etag(desk))


async def status(desk: Desk, request: Request) -> Response:
    """How a broker's connection is."""
    return answers.json(desk.towline.brokers.status(_name(request)))


async def reconnect(desk: Desk, request: Request) -> Response:
    """Make a broker's connection anew, from the first server on."""
    desk.towline.brokers.reconnect(_name(request))
    return answers.json({"outcome": "reconnecting"}, 202)


async def test(desk: Desk, request: Request) -> Response:
    """Try a broker's keys, or the saved ones without a body; 200 also for what fails."""
    wanted = await read_object(request)
    forwarded = {"forwarded", "x-forwarded-for"} & set(request.headers)
    local = not forwarded and is_loopback(request.client.host if request.client else "")
    try:
        found = await desk.towline.brokers.test(_name(request), wanted, local=local)
    except EditError as exc:
        return answers.error(STATUS.get(exc.code, 422), exc.code, str(exc))
    return answers.json(found)


def _name(request: Request) -> str:
    return str(request.path_params["broker"])


def _etag(desk: Desk) -> dict[str, str]:
    return {"ETag": f'"{etag_of(desk.towline.config_text().encode())}"'}
