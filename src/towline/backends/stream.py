"""Connections to destinations that acknowledge nothing: what can be known all the same.

What was written counts once the other machine has it (Linux tells how much of a socket is not yet
acknowledged). A program there that dies with it unread is covered by a window of what was sent
last, which is sent again over the next connection.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from towline.broker.reasons import network_reason
from towline.errors import Retryable
from towline.tls import Credentials

CONNECT: Final = 10.0
REPEATED: Final = 2.0
"""Seconds of what was sent that are sent again when a connection is lost."""

REPEATED_BYTES: Final = 256 * 1024
MOST_HEARD: Final = 16 * 1024

_LOOK: Final = 0.01
_CLOSED: Final = "closed the connection"


class Pipe(asyncio.Protocol):
    """A TCP or TLS connection. `lost` says why it ended, `heard` what came back (its beginning)."""

    def __init__(self) -> None:
        self.lost = ""
        self.lost_at = 0.0
        self.heard = b""
        self._transport: asyncio.Transport | None = None
        self._ended = asyncio.Event()
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep the beginning of what the other side says."""
        self.heard += data[: MOST_HEARD - len(self.heard)]
        self._news.set()

    def eof_received(self) -> None:
        """The other side has ended; so do we."""
        self.lost = self.lost or _CLOSED
        self.lost_at = self.lost_at or time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake up whoever waits."""
        self.lost = network_reason(exc) if isinstance(exc, OSError) else self.lost or _CLOSED
        self.lost_at = self.lost_at or time.monotonic()
        for event in (self._ended, self._news, self._writable):
            event.set()

    def pause_writing(self) -> None:
        """The other side is slower than we are."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    async def write(self, data: bytes) -> None:
        """Write, and wait while the other side is slow; `Retryable` when the connection is lost."""
        self.check()
        if self._transport is not None:
            self._transport.write(data)
        await self._writable.wait()
        self.check()

    async def settled(self) -> None:
        """Wait until the other machine has acknowledged all that was written."""
        calm = 0
        while calm < 2:  # TLS may hold a rest that the socket has not seen yet
            self.check()
            calm = 0 if self._unsettled() else calm + 1
            await asyncio.sleep(_LOOK if calm == 0 else 0)
        self.check()

    async def news(self) -> None:
        """Wait for an answer or the end of the connection."""
        await self._news.wait()

    def check(self) -> None:
        """`Retryable` when the connection is lost."""
        if self.lost:
            raise Retryable(self.lost)

    async def close(self, patience: float = 1.0) -> None:
        """End it; what was written goes out first, within a time."""
        if self._transport is None:
            return
        self._transport.close()
        try:
            async with asyncio.timeout(patience):
                await self._ended.wait()
        except TimeoutError:
            self._transport.abort()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _unsettled(self) -> int:
        if self._transport is None:
            return 0
        number = self._transport.get_extra_info("socket").fileno()
        if number < 0:
            return 0
        answer = fcntl.ioctl(number, termios.TIOCOUTQ, b"\0" * 4)
        return int(struct.unpack("i", answer)[0]) + self._transport.get_write_buffer_size()


async def connect(host: str, port: int, credentials: Credentials | None) -> Pipe:
    """A new connection, with credentials over TLS; `Retryable` when there is none."""
    loop = asyncio.get_running_loop()
    try:
        context = await credentials.context() if credentials else None
        async with asyncio.timeout(CONNECT):
            _, pipe = await loop.create_connection(Pipe, host, port, ssl=context)
    except (OSError, ValueError) as exc:
        raise Retryable(_reason(exc)) from exc
    return pipe


async def throw(host: str, port: int, datagrams: Sequence[bytes]) -> None:
    """Send datagrams; `Retryable` where nobody listens, as far as that comes to be known."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as sender:
            sender.setblocking(False)
            sender.connect(address)
            for datagram in datagrams:
                await loop.sock_sendall(sender, datagram)
            refused = sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except (OSError, ValueError) as exc:
        raise Retryable(_reason(exc)) from exc
    if refused:
        raise Retryable(network_reason(OSError(refused, "")))


def _reason(exc: Exception) -> str:
    return network_reason(exc) if isinstance(exc, OSError) else "not the name of a host"


class Window:
    """What was sent last, to be sent `again` when a connection is lost.

    It holds what was sent within `seconds` before, up to `size` bytes.
    """

    def __init__(self, seconds: float, size: int = REPEATED_BYTES) -> None:
        self._seconds = seconds
        self._size = size
        self._sent: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self.again: tuple[bytes, ...] = ()

    def sent(self, parts: Sequence[bytes], now: float) -> None:
        """What was to be sent again and these parts have been sent."""
        for part in (*self.again, *parts):
            self._sent.append((now, part))
            self._held += len(part)
        self.again = ()
        while self._sent and (self._held > self._size or self._sent[0][0] < now - self._seconds):
            self._held -= len(self._sent.popleft()[1])

    def lost(self, moment: float, within: float | None = None) -> None:
        """The connection was lost: what was sent shortly before that may have been lost with it."""
        first = moment - (self._seconds if within is None else within)
        self.again += tuple(part for at, part in self._sent if at >= first)
        self.arrived()

    def arrived(self) -> None:
        """What was sent has surely arrived."""
        self._sent.clear()
        self._held = 0
