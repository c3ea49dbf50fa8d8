"""Home Assistant's ingress, as an app sees it: two proxies in one, on loopback.

It does what Core and Supervisor do (core components/hassio/ingress.py, supervisor/api/ingress.py):
the prefix goes, headers come, a `Content-Type` loses its parameters, what is no event stream
arrives whole at the end, and addresses that look like an attack are refused.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, Self
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from aiohttp.typedefs import LooseHeaders
from multidict import CIMultiDict

ADDRESS: Final = "127.0.0.9"
PREFIX: Final = "/api/hassio_ingress/c0ffee"
PERSON: Final = {"X-Remote-User-Id": "1", "X-Remote-User-Name": "zoe"}
SHOWN: Final = "Zoë"
_DROPPED: Final = ("transfer-encoding", "content-length", "content-type", "connection", "date")
_HOSTILE: Final = re.compile(
    r"<script|\.\./|concat[^(]*\(|union.*select.*\(|proc/self/environ", re.I
)


class Ingress:
    """Passes on to an app at `port`, from an address of its own, as a person of the house."""

    def __init__(self, port: int) -> None:
        self._app = f"http://127.0.0.1:{port}"
        self.port = 0

    @property
    def url(self) -> str:
        """Where a browser finds the app."""
        return f"http://127.0.0.1:{self.port}{PREFIX}/"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=(ADDRESS, 0)), auto_decompress=False
        )
        application = web.Application()
        application.router.add_route("*", PREFIX + "/{path:.*}", self._pass)
        self._runner = web.AppRunner(application, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    def _headers(self, request: web.Request) -> LooseHeaders:
        own = {"X-Ingress-Path": PREFIX, "X-Hass-Source": "core.ingress", **PERSON}
        own |= {"X-Forwarded-For": "192.168.1.7", "X-Forwarded-Host": request.host}
        kept = CIMultiDict(
            (name, value)
            for name, value in request.headers.items()
            if name not in own and not name.lower().startswith(("sec-websocket", "connection"))
        )
        kept.update(own)
        kept["X-Remote-User-Display-Name"] = SHOWN  # goes out as UTF-8, as Core sends it
        return kept

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if _HOSTILE.search(unquote(request.path_qs)):
            return web.Response(status=400)
        target = f"{self._app}/{request.match_info['path']}"
        if request.query_string:
            target += f"?{request.query_string}"
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request, target)
        body = await request.read()
        headers = self._headers(request)
        async with self._session.request(
            request.method, target, headers=headers, data=body, allow_redirects=False
        ) as answer:
            kept = CIMultiDict(
                (name, value)
                for name, value in answer.headers.items()
                if name.lower() not in _DROPPED
            )
            kept["X-Frame-Options"] = "SAMEORIGIN"
            kept["Content-Type"] = answer.content_type
            if answer.content_type != "text/event-stream":
                whole = await answer.read()
                return web.Response(status=answer.status, headers=kept, body=whole)
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for part in answer.content.iter_any():
                await response.write(part)
            return response

    async def _socket(self, request: web.Request, target: str) -> web.WebSocketResponse:
        ours = web.WebSocketResponse()
        headers = self._headers(request)
        async with self._session.ws_connect(target, headers=headers) as theirs:
            await ours.prepare(request)
            ways = {asyncio.create_task(_copy(*way)) for way in ((ours, theirs), (theirs, ours))}
            _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await ours.close()
        return ours


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _copy(source: Socket, to: Socket) -> None:
    async for message in source:
        if message.type == aiohttp.WSMsgType.TEXT:
            await to.send_str(message.data)
        elif message.type == aiohttp.WSMsgType.BINARY:
            await to.send_bytes(message.data)
