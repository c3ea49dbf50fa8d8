"""What brokers and sockets say, in words a person can act on."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from towline.tls import tls_reason

# OASIS MQTT 3.1.1 section 3.2.2.3 (below 0x80) and MQTT 5.0 sections 3.2.2.2, 3.4.2.1, 3.14.2.1.
_WORDS: Final[Mapping[int, str]] = {
    1: "protocol version not supported",
    2: "client id rejected",
    3: "server unavailable",
    4: "wrong user name or password",
    5: "not authorised",
    0x80: "refused without a reason",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "refused by a rule of the broker's",
    0x84: "protocol version not supported",
    0x85: "client id rejected",
    0x86: "wrong user name or password",
    0x87: "not authorised",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server is shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timed out",
    0x8E: "another client uses the same client id",
    0x90: "topic name not valid",
    0x91: "message id in use",
    0x93: "more in flight than the broker allows",
    0x95: "larger than the broker allows",
    0x96: "more messages than the broker allows",
    0x97: "quota exceeded",
    0x98: "closed by the broker's administrator",
    0x99: "payload format not valid",
    0x9A: "retained messages not supported",
    0x9B: "this QoS not supported",
    0x9C: "use another server",
    0x9D: "server has moved",
    0x9F: "connection rate exceeded",
}

WRONG_VERSION: Final = frozenset({1, 0x84})
PASSING: Final = frozenset({0x91, 0x96, 0x97})

_ERRNO = re.compile(r"\[Errno (\d+)\]")


def reason(code: int) -> str:
    """A reason code in words."""
    return _WORDS.get(code, f"refused with code 0x{code:02x}")


def publish_reason(code: int) -> str:
    """Why a message was refused."""
    return f"the broker refused the message: {reason(code)}"


def worth_retrying(code: int) -> bool:
    """Whether the same message may be taken later."""
    return code in PASSING


def network_reason(exc: OSError) -> str:
    """Why a server could not be reached."""
    if isinstance(exc, ssl.SSLError):
        return tls_reason(exc)
    if isinstance(exc, socket.gaierror):
        return "name not found"
    if isinstance(exc, TimeoutError):
        return "no answer"
    number = exc.errno
    if number is None and (found := _ERRNO.search(str(exc))):
        number = int(found[1])  # asyncio joins the errors of several addresses into one text
    if number == errno.ECONNREFUSED:
        return "connection refused"
    return os.strerror(number).lower() if number else str(exc) or "not reachable"
