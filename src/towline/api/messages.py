"""Messages of a broker: the last ones by topic, watches, replays."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.asked import Asked
from towline.api.bodies import read_object
from towline.api.desk import Desk
from towline.errors import EditError

MOST: Final = 500
_STATUS: Final = {"replay_running": 409, "too_many_watches": 429, "starting": 503}


async def messages(desk: Desk, request: Request) -> Response:
    """The last messages of subscriptions and watches, newest first, and their topics."""
    asked = Asked(request.query_params.multi_items(), ("topic", "text", "limit"))
    limit = asked.whole("limit", 100, least=1, most=MOST)
    found = desk.towline.brokers.messages
    return answers.json(
        found.of(_broker(request), asked.one("topic", "#"), asked.one("text"), limit)
    )


async def watch(desk: Desk, request: Request) -> Response:
    """Record what comes for a filter, for a while: `{topic, for}`."""
    wanted = await read_object(request)
    try:
        found = desk.towline.brokers.messages.watch(_broker(request), wanted)
    except EditError as exc:
        return answers.error(_STATUS[exc.code], exc.code, str(exc))
    return answers.json(found, 202)


async def unwatch(desk: Desk, request: Request) -> Response:
    """End every watch at a broker."""
    desk.towline.brokers.messages.unwatch(_broker(request))
    return answers.json({"watching": []})


async def replay(desk: Desk, request: Request) -> Response:
    """Play records or recorded messages again, below `replay/`."""
    broker, wanted = _broker(request), await read_object(request)
    try:
        found = desk.towline.brokers.messages.replay(broker, wanted)
    except EditError as exc:
        return answers.error(_STATUS[exc.code], exc.code, str(exc))
    desk.towline.audit.put(desk.who(request), "replay", f"broker {broker}", diff=wanted)
    return answers.json(found, 202)


async def replayed(desk: Desk, request: Request) -> Response:
    """How the replay at a broker goes, or ended."""
    return answers.json(desk.towline.brokers.messages.replayed(_broker(request)))


async def stop(desk: Desk, request: Request) -> Response:
    """End the replay at a broker."""
    return answers.json(await desk.towline.brokers.messages.stop(_broker(request)))


def _broker(request: Request) -> str:
    return str(request.path_params["broker"])
