"""Entries of the audit: how one is made, and whether a row of them is as it was written. Pure.

An entry is one line of JSON that ends with `prev`, the seal of the entry before it, and `mac`, its
own: HMAC-SHA256 over all that stands before it. Both are checked byte by byte.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

FIRST: Final = "0" * 64
"""What the first entry of all has as `prev`."""

_MAC: Final = b',"mac":"'
_END: Final = len(_MAC) + 64 + len(b'"}')
_encode = msgspec.json.Encoder().encode


class _Row(msgspec.Struct):
    n: int
    prev: str
    mac: str


_decode = msgspec.json.Decoder(_Row).decode


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry: its number and its seal."""

    n: int
    mac: str


NOBODY: Final = Head(0, FIRST)


def seal(key: bytes, body: bytes) -> str:
    """The seal over some bytes."""
    return hmac.new(key, body, sha256).hexdigest()


def entry(key: bytes, before: Head, about: dict[str, Any]) -> tuple[bytes, Head]:
    """The line of an entry after another one, and what is the head then."""
    n = before.n + 1
    body = _encode({"n": n} | about | {"prev": before.mac})[:-1]
    mac = seal(key, body)
    return body + _MAC + mac.encode() + b'"}\n', Head(n, mac)


def head_of(line: bytes) -> Head:
    """The number and the seal that a line claims; `ValueError` for what is no entry."""
    row = _decode(line)
    return Head(row.n, row.mac)


def faults(key: bytes, lines: Iterable[bytes]) -> Iterator[str]:
    """What is wrong with rows of entries, oldest first; the first one may follow removed ones."""
    before: Head | None = None
    for number, line in enumerate(lines, 1):
        try:
            row = _decode(line)
        except (msgspec.DecodeError, ValueError):
            yield f"line {number} (after entry {before.n if before else 0}) is no entry"
            continue
        whole = line[-_END : -_END + len(_MAC)] == _MAC
        if not whole or not hmac.compare_digest(seal(key, line[:-_END]), row.mac):
            yield f"entry {row.n} was changed"
        first = before is None and row.n > 1
        wanted = before or NOBODY
        if not first and row.n != wanted.n + 1:
            yield f"entry {row.n} follows {wanted.n}: entries were removed or put in another order"
        elif not first and row.prev != wanted.mac:
            yield f"entry {row.n} does not belong after the one that stands before it"
        before = Head(row.n, row.mac)
