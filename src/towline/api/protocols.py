"""uvicorn's protocols with the limits it does not have: late heads, and too many connections."""

from __future__ import annotations

import asyncio
import resource
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from towline.api.wires import WRITE

MAX_CONNECTIONS: Final = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
"""Connections at a time: files and backends need descriptors too."""

HEAD_PATIENCE: Final = 10.0
"""Seconds a client may take for a request's head."""

_LINGER: Final = 5.0


class HttpProtocol(H11Protocol):
    """HTTP/1.1 that hangs up on clients who never finish asking (slowloris)."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._be_patient()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the clock runs while they are not a whole head."""
        super().data_received(data)
        # after an upgrade what comes is the WebSocket's: nobody waits for a head any more
        is_handed_over = self.transport.get_protocol() is not self
        if is_handed_over or self._asked() or self.transport.is_closing():
            self._calm()
        elif self._patience is None:
            self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go."""
        self._calm()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """The connection is another protocol's from here."""
        self._calm()
        super().handle_websocket_upgrade(event)

    def _asked(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(HEAD_PATIENCE, self._lose_patience)

    def _lose_patience(self) -> None:
        self._patience = None
        if not self._asked():
            self.transport.abort()

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class SocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that is gone soon after its handler is, also where the viewer stopped reading.

    It offers the handler to write messages that are ready for the wire: many viewers get the same.
    """

    async def run_asgi(self) -> None:
        """Run the handler; do not wait for ever for what it wrote to be read."""
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[WRITE] = self.write
        await super().run_asgi()
        self.loop.call_later(_LINGER, self.transport.abort)

    async def write(self, message: bytes) -> None:
        """Send a whole message; waits while the viewer does not read. No extension is in use."""
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ConnectionResetError
        self.transport.write(message)
