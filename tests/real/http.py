"""HTTP servers on loopback that destinations are made of: what came, and what is to be answered."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came, its body decompressed."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)

    def rows(self) -> list[Any]:
        """The body as lines of JSON."""
        return [msgspec.json.decode(row) for row in self.body.split(b"\n") if row]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. `raw` bytes go out instead of an answer, and the connection ends.

    With `taken` what was sent has been taken before: the sender cannot know.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    taken: bool = False


class HttpPeer:
    """A server that answers what `replies` say, and then what `answer` makes of a request."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.replies: deque[Reply] = deque()
        self.silent = False
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The way a configuration names it."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def answer(self, seen: Seen) -> Reply:
        """What the protocol wants; everything is fine here."""
        return Reply()

    def lines(self) -> list[bytes]:
        """The messages of what was taken, in order."""
        return [seen.body for seen in self.seen]

    async def start(self) -> None:
        """Listen, on the same port as before."""
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, ssl_context=self.tls, reuse_address=True
        )
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections from now on, and end those that are there."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen = Seen(request.method, request.path, request.query, request.headers.copy(), body)
        self.seen.append(seen)
        if self.silent:
            await asyncio.Event().wait()
        reply = self.replies.popleft() if self.replies else self.answer(seen)
        if reply.taken:
            self.answer(seen)
        if reply.raw is not None and request.transport is not None:
            request.transport.write(reply.raw)
            request.transport.close()
        return web.Response(
            status=reply.status,
            body=reply.body,
            content_type=reply.content_type if reply.body else None,
            headers=dict(reply.headers),
        )
