"""Live records: one handler for every path, over WebSocket and Server-Sent Events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from towline.api import answers
from towline.api.asked import FILTERS, MAX_LIMIT, Asked
from towline.api.auth import Refusal
from towline.api.desk import Desk
from towline.api.origins import narrowed
from towline.api.wires import GONE, EventWire, SocketWire, Wire
from towline.errors import NotFound, QueryError
from towline.live.viewer import Viewer, Wish
from towline.live.viewers import Full, Viewers

LIVE: Final = ("tail", "follow", "timestamps", "host_id", "after", "token")
"""The parameters that only live viewers have."""

DEFAULT_TAIL: Final = 100
VIEWING: Final = 10.0
"""Seconds after which it is said again that a container is viewed: three times a source's 30."""


async def wish_of(desk: Desk, connection: HTTPConnection, kind: str) -> Wish:
    """What a viewer asks for; `QueryError` or `NotFound` where that cannot be."""
    pairs = connection.query_params.multi_items()
    if last := connection.headers.get("last-event-id"):
        # a browser comes back with the address it began with: what it has seen counts
        pairs = [pair for pair in pairs if pair[0] != "after"] + [("after", last)]
    pairs = [("device" if name == "host_id" else name, value) for name, value in pairs]
    asked = Asked(pairs, (*FILTERS, *LIVE))
    query = asked.filters()
    facts: dict[str, Any] = {
        "version": desk.towline.version,
        "device": desk.towline.device.id,
        "timestamps": asked.flag("timestamps", default=True),
        "origin": None,
    }
    if kind:
        name = connection.path_params["id"]
        query = await narrowed(desk.towline, kind, name, query)
        facts["origin"] = {"kind": kind, "id": name}
    return Wish(
        query=query,
        tail=_tail(asked),
        follow=asked.flag("follow", default=True),
        after=asked.offset("after"),
        facts=facts,
    )


def _tail(asked: Asked) -> int:
    if asked.one("tail") in {"all", "-1"}:
        return MAX_LIMIT
    default = MAX_LIMIT if "since" in asked else DEFAULT_TAIL
    return asked.whole("tail", default, most=MAX_LIMIT)


async def attend(viewers: Viewers, viewer: Viewer, wire: Wire) -> tuple[int, str]:
    """Serve one viewer until either side ends it; the code and reason to close with."""
    pump = asyncio.create_task(_pump(viewer, wire))
    listen = asyncio.create_task(wire.listen())
    try:
        await asyncio.wait((pump, listen, viewers.stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        over, heard = pump.done(), listen.done()
        pump.cancel()
        listen.cancel()
        await asyncio.gather(pump, listen, return_exceptions=True)
    if heard:
        return listen.result(), "too much to say"
    if over:
        return pump.result(), "the end of what was asked for"
    return 1001, "the server stops"


@asynccontextmanager
async def _viewing(desk: Desk, connection: HTTPConnection, kind: str) -> AsyncIterator[None]:
    """Have a container read while it is viewed, whatever the file excludes.

    It is said again and again: a reload may have made another source meanwhile.
    """
    if kind != "containers":
        yield
        return
    name = connection.path_params["id"]

    async def tell() -> None:
        while True:
            await desk.towline.view(name)
            await asyncio.sleep(VIEWING)

    task = asyncio.create_task(tell(), name=f"viewing {name}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _pump(viewer: Viewer, wire: Wire) -> int:
    try:
        async with aclosing(viewer.frames()) as frames:
            async for frame in frames:
                await wire.send(frame)
    except (OSError, WebSocketDisconnect):
        return GONE  # hanging up is how viewers leave
    return 1000


class _Events(Response):
    """An answer that goes on: frames as Server-Sent Events."""

    def __init__(
        self, viewers: Viewers, viewer: Viewer, viewing: AbstractAsyncContextManager[None]
    ) -> None:
        super().__init__()
        self._viewers = viewers
        self._viewer = viewer
        self._viewing = viewing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire = EventWire(receive, send)
        with self._viewers.seat():
            await wire.open()
            async with self._viewing:
                code, reason = await attend(self._viewers, self._viewer, wire)
            if code != GONE:
                await wire.close(code, reason)


def events(kind: str = "") -> Callable[[Desk, Request], Awaitable[Response]]:
    """The handler of a live path over Server-Sent Events."""

    async def follow(desk: Desk, request: Request) -> Response:
        wish = await wish_of(desk, request, kind)
        viewer = Viewer(desk.towline.store, wish, desk.viewers.press)
        return _Events(desk.viewers, viewer, _viewing(desk, request, kind))

    return follow


def socket(kind: str = "") -> Callable[[Desk, WebSocket], Awaitable[None]]:
    """The handler of a live path over a WebSocket, already let in."""

    async def follow(desk: Desk, websocket: WebSocket) -> None:
        wire = SocketWire(websocket)
        await websocket.accept()
        try:
            wish = await wish_of(desk, websocket, kind)
            viewer = Viewer(desk.towline.store, wish, desk.viewers.press)
            with desk.viewers.seat():
                async with _viewing(desk, websocket, kind):
                    code, reason = await attend(desk.viewers, viewer, wire)
        except QueryError as exc:
            code, reason = 4400, f"{exc.code}: {exc}"
        except NotFound as exc:
            code, reason = 4404, f"not_found: {exc}"
        except Full as exc:
            code, reason = 1013, f"too_many_viewers: {exc}"
        if code != GONE:
            await wire.close(code, reason)

    return follow


async def turn_away(websocket: WebSocket, refusal: Refusal) -> None:
    """Refuse a WebSocket: a foreign page by HTTP, anyone else by a code that pages can read."""
    if not refusal.close:
        answer = answers.error(refusal.status, refusal.code, refusal.text)
        await websocket.send_denial_response(answer)
        return
    await websocket.accept()
    await SocketWire(websocket).close(refusal.close, f"{refusal.code}: {refusal.text}")


PATHS: Final[Mapping[str, str]] = {
    "containers": "a container, by name or id",
    "services": "a service, by name or number",
    "stacks": "a Compose project",
    "hosts": "a host's own journal",
    "daemon": "what an engine and Towline itself say",
}
"""Kinds of origin that can be followed, and what their id names."""
