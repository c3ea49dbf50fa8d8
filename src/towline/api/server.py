"""The API as a component: a socket of our own, uvicorn's protocols in our own loop."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from typing import Final, Self

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from towline.api.application import application
from towline.api.auth import Gate
from towline.api.desk import Desk
from towline.api.ports import Towline
from towline.api.protocols import HttpProtocol, SocketProtocol
from towline.config.settings import Api
from towline.live.viewers import Viewers
from towline.status import Health

_PARTING: Final = 1.5
_STALLED_MS: Final = 30_000
_MAX_MESSAGE: Final = 64 << 10
_MAX_HEAD: Final = 32 << 10  # ingress passes on 24 KiB
_TROUBLE: Final = {
    errno.EADDRINUSE: "is taken",
    errno.EACCES: "needs rights that Towline does not have",
    errno.EADDRNOTAVAIL: "is no address of this machine",
}


class ApiServer:
    """Serves the API and the page. Entering takes the port or fails with a word why.

    `ingress` is Supervisor's address where Towline runs under it. `address` is where it listens:
    port 0 in the settings takes any free one. `before` is the server whose place it takes: a port
    that both want is shared until that one has left.
    """

    def __init__(
        self,
        settings: Api,
        towline: Towline,
        *,
        ingress: str = "",
        before: ApiServer | None = None,
    ) -> None:
        self._settings = settings
        self._towline = towline
        self._ingress = ingress
        self._before = before
        self._listener: socket.socket | None = None
        self._state = ServerState()
        self._leaving = asyncio.Event()
        self.health = Health()
        self.viewers = Viewers(health=self.health)
        self.address = (settings.host, settings.port)

    async def __aenter__(self) -> Self:
        """Take the port and serve."""
        before, self._before = self._before, None
        self._listener = listener = await self._listen(before)
        self.address = listener.getsockname()[:2]
        config = _uvicorn(self._application())
        self._server = await asyncio.get_running_loop().create_server(
            lambda: HttpProtocol(config, self._state, {}), sock=listener, backlog=config.backlog
        )
        self.health.up()
        return self

    async def _listen(self, before: ApiServer | None) -> socket.socket:
        """A listening socket, with the help of a predecessor that holds the port."""
        host, port = self._settings.host, self._settings.port
        held = before._listener if before else None
        if before is None or held is None or before._settings.port != port:
            return await _bind(host, port)
        if before._settings.host == host:
            return held.dup()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listener = await _bind(host, port, shared=True)
        finally:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        return listener

    async def run(self) -> None:
        """Until told to leave."""
        await self._leaving.wait()

    def drain(self) -> None:
        """Let `run` return."""
        self._leaving.set()

    async def __aexit__(self, *exc: object) -> None:
        """Give the port back at once, then part from those who are connected."""
        self._server.close()
        self._listener = None
        self.viewers.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                while self._state.tasks:
                    await asyncio.wait(list(self._state.tasks))
        for connection in list(self._state.connections):
            connection.transport.abort()
        for task in list(self._state.tasks):
            task.cancel()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
        await self._server.wait_closed()
        self.health.stopped()

    def _application(self) -> ASGIApp:
        device = self._towline.device.id
        gate = Gate(
            self._settings.tokens,
            host=self._settings.host,
            names=(device, f"{device}.local"),
            ingress=self._ingress,
        )
        return application(Desk(towline=self._towline, viewers=self.viewers, gate=gate))


def _uvicorn(app: ASGIApp) -> Config:
    config = Config(
        app,
        interface="asgi3",
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=_MAX_MESSAGE,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        log_level="warning",  # at INFO it writes a viewer's address, token and all
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=_MAX_HEAD,
    )
    config.load()
    return config


async def _bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket, or an `OSError` in words."""
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, *_, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        dual = family == socket.AF_INET6 and address[0] == "::"
        listener = socket.create_server(
            address[:2], family=family, dualstack_ipv6=dual, reuse_port=shared
        )
    except OSError as exc:
        trouble = _TROUBLE.get(exc.errno or 0, f"cannot be listened on: {exc.strerror}")
        raise OSError(f"{shown} {trouble}") from exc
    listener.setblocking(False)
    # inherited by every connection: a viewer that stopped reading, or fell off the network,
    # is let go by the kernel, whatever its protocol
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MS)
    return listener
