"""One log request and its answer: HTTP/1.0 over a socket, read as it comes.

HTTP/1.0 is answered without chunks (seen on Docker 20.10 and 26.1): after the blank line the body
is the bare log until the end, so the hot path needs no HTTP library. All streams read into one
shared buffer. A busy stream is read in gulps: after each read it pauses for some milliseconds, so
that what comes line by line is handled many lines at a time; a quiet one is read at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable
from typing import Final

from towline.errors import NotFound, SourceError, Unreadable
from towline.sources.docker.address import Address
from towline.sources.docker.pace import Pace
from towline.tls import tls_reason

BUFFER: Final = 1 << 18
CONNECT: Final = 5.0
"""Seconds within which a connection must stand."""

_MAX_HEAD = 64 << 10
_buffer = memoryview(bytearray(BUFFER))


class Stream(asyncio.BufferedProtocol):
    """An open answer; `feed` is called with each piece of the body until it ends."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._head: bytes | None = b""
        self._status = 0
        self._refusal = b""
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self._pace = Pace(self._loop.time())
        self.last = self._loop.time()
        """When something was read last, by the loop's clock."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls this once connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer that all streams share: each reading is copied out before the next."""
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Asyncio calls this with what was read."""
        data = bytes(_buffer[:nbytes])
        now = self._loop.time()
        self.last = now
        try:
            if self._head is None:
                self._body(data)
            else:
                self._begin(data)
        except SourceError as exc:
            self._finish(exc)
            return
        rest = self._pace.rest(nbytes, now)
        if rest and self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(rest, self._resume)

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(RuntimeError):
                self._transport.resume_reading()

    def _begin(self, data: bytes) -> None:
        assert self._head is not None
        head, blank, body = (self._head + data).partition(b"\r\n\r\n")
        if not blank:
            self._head += data
            if len(self._head) > _MAX_HEAD:
                raise SourceError("the engine's answer has no end of its head")
            return
        self._head = None
        try:
            self._status = int(head.split(b" ", 2)[1])
        except (IndexError, ValueError) as exc:
            raise SourceError(f"not an HTTP answer: {head[:80]!r}") from exc
        if self._status == 200 and not self.opened.done():
            self.opened.set_result(None)
        if body:
            self._body(body)

    def _body(self, data: bytes) -> None:
        if self._status == 200:
            self._feed(data)
        else:
            self._refusal += data[:2000]

    def eof_received(self) -> bool:
        """The other side has said all."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio calls this at the end, whichever side ended it."""
        self._transport = None
        if isinstance(exc, OSError):
            self._finish(SourceError(f"connection lost: {_words(exc)}"))
        elif exc is not None:
            self._finish(exc)  # a fault of ours in `feed`: told to who waits in `ended`
        elif self._head is not None:
            self._finish(SourceError("the engine closed the connection without an answer"))
        elif self._status != 200:
            self._finish(_refused(self._status, self._refusal))
        else:
            self._finish(None)

    def _finish(self, exc: Exception | None) -> None:
        for future in (self.opened, self._ended):
            if not future.done():
                if exc is None:
                    future.set_result(None)
                else:
                    future.set_exception(exc)
                    future.exception()  # whoever waits is told; nobody waiting is no fault
        self.close()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._ended.done()

    def when_done(self, call: Callable[[], None]) -> None:
        """Have `call` called at its end."""
        self._ended.add_done_callback(lambda _: call())

    async def ends(self, silence: float | None) -> bool:
        """Whether it ends before nothing has come for `silence` seconds; raise what went wrong."""
        begun = self._loop.time()
        while not self._ended.done():
            patience = None
            if silence is not None:
                patience = max(self.last, begun) + silence - self._loop.time()
                if patience <= 0:
                    return False
            await asyncio.wait([self._ended], timeout=patience)
        self._ended.result()
        return True

    async def ended(self, silence: float | None = None) -> None:
        """Until the end; raise what went wrong, also `silence` seconds of nothing."""
        if not await self.ends(silence):
            self.close()
            raise SourceError(f"the engine sent nothing for {silence:g} s")

    def close(self) -> None:
        """Read no more."""
        if self._transport is not None:
            self._transport.abort()


def _words(exc: OSError) -> str:
    return tls_reason(exc) if isinstance(exc, ssl.SSLError) else exc.strerror or str(exc)


def _refused(status: int, body: bytes) -> SourceError:
    reason = _reason(body)
    if status == 404:
        return NotFound(reason)
    if status == 501:
        return Unreadable(reason)
    return SourceError(f"HTTP {status}: {reason}")


def _reason(body: bytes) -> str:
    """Docker's own words: `{"message": "..."}`, or a text where a proxy answers."""
    text = body.decode("utf-8", "replace").strip()
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return str(found.get("message", text)) if isinstance(found, dict) else text


async def open_stream(address: Address, target: str, feed: Callable[[bytes], None]) -> Stream:
    """Send `GET target` and return the stream; a refusal is raised by its `ended`.

    `SourceError` when the engine cannot be reached.
    """
    stream = Stream(feed)
    try:
        async with asyncio.timeout(CONNECT):
            transport, _ = await _connected(address, stream)
    except TimeoutError as exc:
        raise SourceError(f"the engine cannot be reached within {CONNECT:g} s") from exc
    except OSError as exc:
        raise SourceError(f"the engine cannot be reached: {_words(exc)}") from exc
    transport.write(f"GET {target} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
    return stream


async def _connected(
    address: Address, stream: Stream
) -> tuple[asyncio.WriteTransport, asyncio.BaseProtocol]:
    loop = asyncio.get_running_loop()
    if address.path:
        return await loop.create_unix_connection(lambda: stream, address.path)
    context = await address.credentials.context() if address.credentials else None
    return await loop.create_connection(lambda: stream, address.host, address.port, ssl=context)


async def fetch(address: Address, target: str, patience: float) -> bytes:
    """The whole answer to `GET target`, within `patience` seconds; `SourceError` otherwise."""
    pieces: list[bytes] = []
    try:
        async with asyncio.timeout(patience):
            stream = await open_stream(address, target, pieces.append)
            try:
                await stream.ended()
            finally:
                stream.close()
    except TimeoutError as exc:
        raise SourceError(f"the engine does not answer within {patience:g} s") from exc
    return b"".join(pieces)
