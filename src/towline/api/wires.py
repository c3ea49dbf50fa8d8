"""The two ways frames reach a viewer: a WebSocket, and Server-Sent Events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from starlette.types import Receive, Send
from starlette.websockets import WebSocket

from towline.live.frames import Frame

WRITE: Final = "towline.write"
"""Name of the ASGI extension by which our server takes a whole message, header included."""

Write = Callable[[bytes], Awaitable[None]]

GONE: Final = 0
"""`listen` ended because the other side went away."""

_CHATTER: Final = 60
_WINDOW: Final = 60.0
_MAX_REASON: Final = 123  # bytes; RFC 6455: a control frame carries 125, two are the code


class Wire(Protocol):
    """Carries frames to one viewer. A method raises `OSError` once the viewer is gone."""

    async def send(self, frame: Frame) -> None:
        """Pass a frame on; waits while the viewer does not read."""

    async def listen(self) -> int:
        """Until the viewer goes (`GONE`), or says so much that it is closed with a code."""

    async def close(self, code: int, reason: str) -> None:
        """End it from this side."""


class SocketWire:
    """Frames as text messages of a WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._write: Write | None = socket.scope.get("extensions", {}).get(WRITE)

    async def send(self, frame: Frame) -> None:
        """One frame, one message: the server's bytes as they are, where it takes them."""
        if self._write:
            await self._write(frame.message)
        else:
            await self._socket.send_text(frame.payload.decode())

    async def listen(self) -> int:
        """Viewers have nothing to say: what they say is dropped, and not without end."""
        clock = asyncio.get_running_loop().time
        heard, began = 0, clock()
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return GONE
            if clock() - began > _WINDOW:
                heard, began = 0, clock()
            heard += 1
            if heard > _CHATTER:
                return 1008

    async def close(self, code: int, reason: str) -> None:
        """Close with a code; the reason is cut to what a control frame carries."""
        short = reason.encode()[:_MAX_REASON].decode(errors="ignore")
        await self._socket.close(code, short)


class EventWire:
    """Frames as Server-Sent Events: the only kind of answer that ingress passes on line by line."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def open(self) -> None:
        """Send the head."""
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(self, frame: Frame) -> None:
        """One frame, one event."""
        message = {"type": "http.response.body", "body": frame.event, "more_body": True}
        await self._send(message)

    async def listen(self) -> int:
        """Until the other side hangs up."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
        return GONE

    async def close(self, code: int, reason: str) -> None:
        """End the answer; SSE has no way to say why, and its client comes back by itself."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
