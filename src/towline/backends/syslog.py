"""Records to a syslog server by UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import voluptuous as vol

from towline.backends.rfc5424 import FACILITIES, Form, counted, ended
from towline.backends.stream import Pipe, Window, connect, throw
from towline.config import fields
from towline.config.batching import Batching, batching
from towline.config.faults import Fault, expected
from towline.config.kinds import Kind
from towline.config.shapes import SECRET_NAME, shaped, words
from towline.config.tls import TLS, Tls, tls_doubts
from towline.errors import Retryable
from towline.record import Batch
from towline.tls import Credentials

_log = logging.getLogger(__name__)

GRACE: Final = 1.0
"""Seconds in which a server may hang up on a new connection: it says nothing when it accepts it."""

REPEATED: Final = 2.0
"""Seconds of messages that are sent again when a connection is lost, up to `REPEATED_BYTES`."""

REPEATED_BYTES: Final = 256 * 1024
LARGEST_DATAGRAM: Final = 65_507
_PORTS: Final = {"udp": 514, "tcp": 514, "tls": 6514}
_URL = re.compile(rf"(udp|tcp|tls)://({fields.HOST})(?::(\d{{1,5}}))?/?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a syslog server listens, and by what protocol."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogSettings:
    """What a backend of type `syslog` says. `timeout` is seconds; `enterprise` 0: no data."""

    server: Server
    framing: str
    facility: str
    enterprise: int
    max_size: int
    tls: Tls
    timeout: float
    batch: Batching


class SyslogBackend:
    """Writes each batch as messages. The protocol has no acknowledgement: see `stream`."""

    def __init__(self, settings: SyslogSettings, folder: Path) -> None:
        self._settings = settings
        self._server = settings.server
        is_tls = settings.server.scheme == "tls"
        self._credentials = Credentials(settings.tls, folder) if is_tls else None
        self._form = Form(settings.facility, settings.enterprise, settings.max_size)
        self._framed: Callable[[bytes], bytes] = counted if settings.framing == "octet" else ended
        self._window = Window(REPEATED, REPEATED_BYTES)
        self._pipe: Pipe | None = None
        self.max_records = settings.batch.max_records
        self.max_age = settings.batch.max_age

    async def __aenter__(self) -> Self:
        if self._credentials and not self._settings.tls.verify:
            about = {"server": self._server.host}
            _log.warning("any server is trusted: tls.verify is false", extra=about)
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
                    await self._write(b"".join(map(self._framed, messages)))
        except (Retryable, TimeoutError) as exc:
            self._lose(started)
            raise Retryable(str(exc) or "no answer") from exc

    async def _write(self, data: bytes) -> None:
        if self._pipe is not None and self._pipe.lost:
            self._lose(self._pipe.lost_at)
        pipe, is_new = self._pipe, self._pipe is None
        if pipe is None:
            pipe = await connect(self._server.host, self._server.port, self._credentials)
            self._pipe = pipe
        await pipe.write(b"".join((*self._window.again, data)))
        await pipe.settled()
        if is_new:
            await pipe.news(GRACE)
            pipe.check()
        self._window.sent(data, time.monotonic())

    def _lose(self, moment: float) -> None:
        """Give the connection up; what was sent shortly before a moment is sent again."""
        if self._pipe is not None:
            self._pipe.abort()
            self._pipe = None
            self._window.lost(moment)


@shaped(words(f"{_URL.pattern}|{SECRET_NAME}"))
def _server(given: Any) -> Server:
    """`udp://host:port`, `tcp://host:port` or `tls://host:port`, the port filled in."""
    found = _URL.fullmatch(given) if isinstance(given, str) else None
    if not found:
        raise expected("udp://host:port, tcp://host:port or tls://host:port", given)
    port = int(found[3] or _PORTS[found[1]])
    if not 0 < port <= 65535:
        raise Fault("wrong_value", f"expected a port from 1 to 65535, not {port}")
    return Server(scheme=found[1], host=found[2].strip("[]"), port=port)


@shaped(words(r"\d{1,9}(?:\.\d{1,3})? ?(?:[KkMmGgTt]?[Bb])"))
def _size(given: Any) -> int:
    """What a message may have: every server takes 480 bytes (section 6.1)."""
    found = fields.size(given)
    if not 480 <= found <= 1_000_000:
        raise expected("a size from 480B to 1MB", given)
    return int(found)


def _config(*, url: Server, **keys: Any) -> SyslogSettings:
    if url.scheme == "udp" and keys["max_size"] > LARGEST_DATAGRAM:
        raise Fault("wrong_value", "a datagram has at most 65507 bytes", path=["max_size"])
    return SyslogSettings(server=url, **keys)


KIND: Final = Kind(
    schema=fields.mapping(
        {
            vol.Required("url"): _server,
            vol.Optional("framing", default="octet"): fields.one_of("octet", "lf"),
            vol.Optional("facility", default="user"): fields.one_of(*FACILITIES),
            vol.Optional("enterprise", default=32473): fields.whole(0, 2**31 - 1),
            vol.Optional("max_size", default="8KB"): _size,
            vol.Optional("tls", default=dict): TLS,
            vol.Optional("timeout", default="30s"): fields.duration,
            vol.Optional("batch", default=dict): batching(500),
        }
    ),
    config=_config,
    open=lambda name, config, around: SyslogBackend(config, around.folder),
    doubts=lambda config: tls_doubts(config.tls),
)
