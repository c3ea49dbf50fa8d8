"""Requests as they come over MQTT: what they say, who may have sent them, whether they are new.

A signed request has `timestamp` (milliseconds) and `signature`: HMAC-SHA256 with the shared secret,
in hexadecimal, over device, request, transaction, timestamp and body, joined by newlines. The body
is a text of JSON then, so that the very same bytes are signed and checked. Pure.
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from towline.config.settings import Secret

TOLERANCE: Final = 30_000
"""Milliseconds that the sender's clock may differ from ours."""

MOST_KNOWN: Final = 10_000
LARGEST: Final = 512 * 1024
DEEPEST: Final = 20
_LONGEST_TRANSACTION: Final = 64
_decode = msgspec.json.Decoder().decode


class Refused(Exception):
    """A request that is not executed; `transaction` as far as it could be read."""

    def __init__(self, code: str, text: str, transaction: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.transaction = transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks for."""

    what: str
    transaction: str
    body: dict[str, Any]


def signature(
    secret: Secret, device: str, what: str, transaction: str, timestamp: int, body: str
) -> str:
    """The signature of a request."""
    signed = "\n".join([device, what, transaction, str(timestamp), body])
    return hmac.new(secret.reveal().encode(), signed.encode(), sha256).hexdigest()


class Doorkeeper:
    """Reads requests and lets each in once.

    A signed one is remembered for as long as its timestamp counts, so it can never come twice; one
    from before this doorkeeper began is refused, for an earlier one may have let it in.
    """

    def __init__(
        self,
        device: str,
        secret: Secret,
        *,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._device = device
        self._secret = secret
        self._now = now
        self._began = now()
        self._known: OrderedDict[str, int] = OrderedDict()

    def admit(self, what: str, payload: bytes) -> Request:
        """The request of a payload, or `Refused`."""
        held = _read(payload)
        transaction = _transaction(held)
        try:
            if self._secret:
                self._verify(held, what, transaction)
            body = _body(held)
        except Refused as exc:
            exc.transaction = transaction
            raise
        self._remember(transaction)
        return Request(what=what, transaction=transaction, body=body)

    def _verify(self, held: dict[str, Any], what: str, transaction: str) -> None:
        stamp, given, body = (held.get(key) for key in ("timestamp", "signature", "body"))
        body = "" if body is None else body
        if not isinstance(stamp, int) or isinstance(stamp, bool) or not isinstance(given, str):
            raise Refused("unsigned", "a timestamp and a signature are needed")
        if not isinstance(body, str):
            raise Refused("unsigned", "the body of a signed request is a text of JSON")
        wanted = signature(self._secret, self._device, what, transaction, stamp, body)
        if not hmac.compare_digest(wanted.encode(), given.lower().encode()):
            raise Refused("bad_signature", "the signature is not ours")
        now = self._now()
        if abs(now - stamp) > TOLERANCE:
            raise Refused("stale", f"the timestamp differs by {abs(now - stamp) // 1000} s")
        if stamp < self._began:
            raise Refused("stale", "Towline began after that: send it anew")

    def _remember(self, transaction: str) -> None:
        now = self._now()
        while self._known and now - next(iter(self._known.values())) > 2 * TOLERANCE:
            self._known.popitem(last=False)
        if transaction in self._known:
            raise Refused("repeated", "this transaction was there before", transaction)
        if len(self._known) >= MOST_KNOWN:
            raise Refused("too_many", "too many requests", transaction)
        self._known[transaction] = now


def _read(payload: bytes) -> dict[str, Any]:
    if len(payload) > LARGEST:
        raise Refused("too_large", f"a request has at most {LARGEST} bytes")
    try:
        found = _decode(payload)
    except (msgspec.DecodeError, RecursionError, ValueError) as exc:
        raise Refused("bad_json", "the payload is not JSON") from exc
    if not isinstance(found, dict):
        raise Refused("bad_json", "the payload must be a JSON object")
    return found


def _transaction(held: dict[str, Any]) -> str:
    found = held.get("transaction")
    sound = isinstance(found, str) and 0 < len(found) <= _LONGEST_TRANSACTION
    if not sound or not str(found).isprintable():
        told = f"a transaction is a text of 1 to {_LONGEST_TRANSACTION} characters"
        raise Refused("no_transaction", told)
    return str(found)


def _body(held: dict[str, Any]) -> dict[str, Any]:
    found = held.get("body")
    if isinstance(found, str) and found:
        found = _read(found.encode(errors="replace"))
    if found in (None, ""):
        return {}
    if not isinstance(found, dict):
        raise Refused("bad_json", "the body must be a JSON object")
    if _is_deeper(found, DEEPEST):
        raise Refused("bad_json", f"the body is nested more than {DEEPEST} deep")
    return found


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether mappings and lists lie deeper in each other than that; looks no deeper itself."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(item, depth - 1) for item in inner)
