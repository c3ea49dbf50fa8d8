"""Getting a connection to one server, in the version of MQTT that it speaks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from towline.broker.incoming import Incoming
from towline.broker.link import Link, Refused
from towline.broker.login import Login
from towline.broker.reasons import WRONG_VERSION, network_reason
from towline.broker.server import Server
from towline.broker.window import Mids
from towline.tls import Credentials

ANSWER_TIMEOUT: Final = 10.0


class NotTaken(Exception):
    """A server did not take us; `away` when nothing answered there at all."""

    def __init__(self, reason: str, *, away: bool = False) -> None:
        super().__init__(reason)
        self.away = away


class _OtherVersion(Exception):
    """The server may speak an older MQTT; `certain` when it said so."""

    def __init__(self, reason: str, *, certain: bool) -> None:
        super().__init__(reason)
        self.certain = certain


class Dialer:
    """Opens links. It remembers which servers speak only MQTT 3.1.1.

    `on_message` gets what comes over any of them, from the first packet on.
    """

    def __init__(
        self,
        version: str,
        credentials: Credentials,
        alpn: Sequence[str] = (),
        on_message: Callable[[Incoming], None] = Incoming.acknowledge,
    ) -> None:
        self.mids = Mids()
        self._version = version
        self._credentials = credentials
        self._alpn = list(alpn)
        self._on_message = on_message
        self._old: set[Server] = set()

    async def open(self, at: Server, login: Login) -> Link:
        """A link that the server has taken, or `NotTaken` with the reason in words."""
        if self._version == "3.1.1" or at in self._old:
            return await self._attempt(at, login, version_5=False)
        try:
            return await self._attempt(at, login, version_5=True)
        except _OtherVersion as exc:
            if self._version != "auto":
                raise NotTaken(str(exc)) from exc
            if exc.certain:
                self._old.add(at)
            return await self._attempt(at, login, version_5=False)

    async def context(self, at: Server) -> ssl.SSLContext | None:
        """What TLS needs at a server, or None without it; `OSError` for a file at fault."""
        if not at.tls:
            return None
        context = await self._credentials.context()
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        return context

    async def _attempt(self, at: Server, login: Login, *, version_5: bool) -> Link:
        try:
            return await self._open(at, login, version_5=version_5)
        except Refused as exc:
            if version_5 and exc.code in WRONG_VERSION:
                raise _OtherVersion(str(exc), certain=True) from exc
            raise NotTaken(str(exc)) from exc
        except ConnectionAbortedError as exc:
            # Closed without an answer: some brokers of 3.1.1 meet a version 5 CONNECT like that.
            if version_5:
                raise _OtherVersion(str(exc), certain=False) from exc
            raise NotTaken(str(exc)) from exc
        except OSError as exc:
            raise NotTaken(network_reason(exc), away=True) from exc

    async def _open(self, at: Server, login: Login, *, version_5: bool) -> Link:
        link = Link(login, self.mids, version_5=version_5)
        link.on_message = self._on_message
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._reach(at, link)
                await link.accepted
        except BaseException:
            link.close("given up")
            raise
        return link

    async def _reach(self, at: Server, link: Link) -> None:
        """A way to the server with the link at our end of it."""
        loop = asyncio.get_running_loop()
        context = await self.context(at)
        way: dict[str, Any] = {"ssl": context, "happy_eyeballs_delay": 0.25}
        if context is not None:
            way["server_hostname"] = at.host
        host = at.address or at.host
        if not at.web:
            await loop.create_connection(lambda: link, host, at.port, **way)
            return
        from towline.broker.websocket import WebSocket  # few brokers are reached like that

        transport, socket = await loop.create_connection(
            lambda: WebSocket(at, link), host, at.port, **way
        )
        try:
            await socket.opened
        except BaseException:
            transport.abort()
            raise
