"""Containers: what is known of them; start, stop and restart where the file allows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.desk import Desk
from towline.errors import Rejected

CONTROLS: Final = ("start", "stop", "restart")
"""What a container can be made to do."""


async def containers(desk: Desk, request: Request) -> Response:
    """Containers that are known, their state, and whether their log is read."""
    may = desk.towline.operations.controllable()
    found = [row | {"controllable": may(row)} for row in desk.towline.containers()]
    return answers.json({"count": len(found), "containers": found})


def control(what: str) -> Callable[[Desk, Request], Awaitable[Response]]:
    """The handler that makes a container do it; 403 `controls_off` where it may not."""

    async def handler(desk: Desk, request: Request) -> Response:
        container = request.path_params["id"]
        try:
            await desk.towline.operations.control_one(container, what, desk.who(request))
        except Rejected as exc:
            return answers.error(403, "controls_off", str(exc))
        return answers.json({"container": container, "done": what})

    return handler
