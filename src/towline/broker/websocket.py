"""MQTT inside of a WebSocket (OASIS MQTT 5 section 6): the same bytes, in binary frames.

`websockets` is the state machine; asyncio carries the bytes. To the link within it looks like the
transport itself.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from towline.broker.server import Server
from towline.broker.session import LARGEST_IN

SUBPROTOCOL: Final = Subprotocol("mqtt")
_CARRIED: Final = frozenset({Opcode.BINARY, Opcode.CONT})


class _Carrier(asyncio.Transport):
    """What the link writes to: each piece becomes a frame."""

    def __init__(self, outer: asyncio.Transport, protocol: ClientProtocol) -> None:
        super().__init__()
        self._outer = outer
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._protocol.send_binary(bytes(data))
        self.flush()

    def flush(self) -> None:
        """Send what the protocol has to say."""
        for data in self._protocol.data_to_send():
            if data and not self._outer.is_closing():
                self._outer.write(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._outer.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._outer.is_closing()

    def abort(self) -> None:
        self._outer.abort()

    def close(self) -> None:
        self._outer.close()


class WebSocket(asyncio.Protocol):
    """Opens a WebSocket on a connection and hands `link` what comes through it.

    `opened` fails with `ConnectionRefusedError` where the server does not speak MQTT here.
    """

    def __init__(self, at: Server, link: asyncio.Protocol) -> None:
        self._link = link
        self._protocol = ClientProtocol(
            parse_uri(at.url), subprotocols=[SUBPROTOCOL], max_size=LARGEST_IN
        )
        self._carrier: _Carrier | None = None
        self._inside = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream is needed")
        self._carrier = _Carrier(transport, self._protocol)
        self._protocol.send_request(self._protocol.connect())
        self._carrier.flush()

    def data_received(self, data: bytes) -> None:
        """Take frames apart."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answered(event)
            elif isinstance(event, Frame) and event.opcode in _CARRIED and self._inside:
                self._link.data_received(bytes(event.data))
        if self._carrier is not None:
            self._carrier.flush()
            if self._protocol.close_expected():
                self._carrier.close()

    def _answered(self, response: Response) -> None:
        refused = self._protocol.handshake_exc
        if refused is None and self._carrier is not None:
            self._inside = True
            self.opened.set_result(None)
            self._link.connection_made(self._carrier)
        elif not self.opened.done():
            status = f"HTTP {response.status_code}" if response.status_code != 101 else "no MQTT"
            told = str(refused) if isinstance(refused, InvalidHandshake) else status
            self._fail(f"no WebSocket of MQTT here: {told}")

    def _fail(self, why: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionRefusedError(0, why))
            self.opened.exception()  # looked at: whoever waited may be gone

    def eof_received(self) -> None:
        """The server has nothing more to say."""
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of both."""
        self._fail("the server closed the connection")
        if self._inside:
            self._link.connection_lost(exc)

    def pause_writing(self) -> None:
        """The socket is full."""
        if self._inside:
            self._link.pause_writing()

    def resume_writing(self) -> None:
        """The socket has room again."""
        if self._inside:
            self._link.resume_writing()
