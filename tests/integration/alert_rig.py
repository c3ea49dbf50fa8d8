"""A Towline with alerts, and a web server that hears what they send."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.real.broker import free_port
from tests.real.until import auntil
from towline.app import Towline
from towline.config.environment import Overrides
from towline.config.settings import Match
from towline.runtime.configuration import Options
from towline.store.query import Query


@asynccontextmanager
async def running(file: Path, data: Path) -> AsyncIterator[Towline]:
    """The whole program in this process."""
    overrides = Overrides(data=str(data), listen=f"127.0.0.1:{free_port()}")
    towline = Towline(Options(file=file, environment={}, overrides=overrides))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(towline.run())
        await auntil(lambda: hasattr(towline, "store") and "api" in towline.status(), 60)
        try:
            yield towline
        finally:
            towline.stop()


def alert(towline: Towline, name: str) -> dict[str, Any]:
    """What the API tells of an alert."""
    return next(row for row in towline.alerts() if row["name"] == name)


async def told(towline: Towline, word: str = "fired") -> list[str]:
    """What Towline's own records say of alerts."""
    query = Query(match=Match(name=("alerts",)), limit=1000, newest_first=False)
    found = [record.message for record in (await towline.store.query(query)).records]
    return [message for message in found if word in message]


@dataclass(slots=True)
class Request:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Server:
    """A web server on loopback; `answer` decides what is said to each request."""

    port: int
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], web.StreamResponse] = lambda _: web.Response()
    hanging: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep a request and answer it; while `hanging` is there, only once that is set."""
        body = await request.read()
        found = Request(request.method, request.path_qs, dict(request.headers), body)
        self.requests.append(found)
        if self.hanging is not None:
            await self.hanging.wait()
        return self.answer(found)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server that says 200 to everything until told otherwise."""
    server = Server(free_port(), scheme="https" if tls else "http")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server.port, ssl_context=tls).start()
    try:
        yield server
    finally:
        if server.hanging is not None:
            server.hanging.set()
        await runner.cleanup()
