"""What a backend of type `syslog` says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config import fields
from towline.config.batching import Batching, batching
from towline.config.faults import Fault, expected
from towline.config.shapes import SECRET_NAME, shaped, words
from towline.config.tls import TLS, Tls

FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "security", "console", "solaris-cron", "local0", "local1", "local2", "local3",
    "local4", "local5", "local6", "local7",
)  # fmt: skip
"""By their numbers (RFC 5424 section 6.2.1)."""

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


def syslog(*, url: Server, **keys: Any) -> SyslogSettings:
    """The settings of these keys; `Fault` where one does not go with another."""
    if url.scheme == "udp" and keys["max_size"] > LARGEST_DATAGRAM:
        raise Fault("wrong_value", "a datagram has at most 65507 bytes", path=["max_size"])
    return SyslogSettings(server=url, **keys)


SYSLOG: Final = fields.mapping(
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
)
"""Checks the keys of a backend of type `syslog`."""
