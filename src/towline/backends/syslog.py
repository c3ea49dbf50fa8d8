"""Records to a syslog server by UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from towline.backends.rfc5424 import Form, counted, ended
from towline.backends.stream import REPEATED, Pipe, Window, connect, throw
from towline.config.kinds import Kind
from towline.config.syslog import SYSLOG, SyslogSettings, syslog
from towline.config.tls import tls_doubts
from towline.errors import Retryable
from towline.record import Batch
from towline.tls import Credentials

GRACE: Final = 1.0
"""Seconds in which a server may hang up on a new connection: it says nothing when it accepts it."""


class SyslogBackend:
    """Writes each batch as messages. The protocol has no acknowledgement: see `stream`."""

    def __init__(self, settings: SyslogSettings, folder: Path) -> None:
        self._settings = settings
        self._server = settings.server
        is_tls = settings.server.scheme == "tls"
        self._credentials = Credentials(settings.tls, folder) if is_tls else None
        self._form = Form(settings.facility, settings.enterprise, settings.max_size)
        self._framed: Callable[[bytes], bytes] = counted if settings.framing == "octet" else ended
        self._window = Window(REPEATED)
        self._pipe: Pipe | None = None
        self.max_records = settings.batch.max_records
        self.max_age = settings.batch.max_age

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._pipe is not None:
            await self._pipe.close()
            self._pipe = None

    async def send(self, batch: Batch) -> None:
        """Write all records and return when the other machine has them."""
        messages = [self._form.message(record) for record in batch]
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.timeout):
                if self._server.scheme == "udp":
                    await throw(self._server.host, self._server.port, messages)
                else:
                    await self._write([self._framed(message) for message in messages])
        except (Retryable, TimeoutError) as exc:
            self._lose(started)
            raise Retryable(str(exc) or "no answer") from exc

    async def _write(self, frames: list[bytes]) -> None:
        if self._pipe is not None and self._pipe.lost:
            self._lose(self._pipe.lost_at)
        pipe, is_new = self._pipe, self._pipe is None
        if pipe is None:
            pipe = await connect(self._server.host, self._server.port, self._credentials)
            self._pipe = pipe
        await pipe.write(b"".join((*self._window.again, *frames)))
        await pipe.settled()
        if is_new:
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await pipe.news()
            pipe.check()
        self._window.sent(frames, time.monotonic())

    def _lose(self, moment: float) -> None:
        """Give the connection up; what was sent shortly before a moment is sent again."""
        if self._pipe is not None:
            self._pipe.abort()
            self._pipe = None
            self._window.lost(moment)


KIND: Final = Kind(
    schema=SYSLOG,
    config=syslog,
    open=lambda name, config, around: SyslogBackend(config, around.folder),
    doubts=lambda config: tls_doubts(config.tls),
)
