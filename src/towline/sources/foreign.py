"""Records that another device made, taken in: their own origin, time, level and fields. Pure.

What comes from outside is bounded and never believed further than it must be: a record that is none
becomes a plain line of whoever sent it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from towline.record import LEVELS, Line, Origin, OriginType, time_text

LONGEST: Final = 1 << 20
"""Characters of a message; what is longer is cut."""

_NAME: Final = 255
_LATEST: Final = 1 << 43
"""Milliseconds since the epoch that a time may say: some hundred years."""

_LEVELS: Final = frozenset(LEVELS)
_quote = msgspec.json.Encoder().encode


class _Source(msgspec.Struct, gc=False):
    type: str = ""
    name: str = ""


class _Record(msgspec.Struct, rename="camel"):
    """The members of a record that are taken over."""

    message: str
    id: str = ""
    timestamp: int = 0
    time: str = ""
    level: str = ""
    source: _Source = msgspec.field(default_factory=_Source)
    device: str = ""
    app: str | None = None
    project: str | None = None
    service_id: int | None = None
    service_name: str | None = None
    container_id: str | None = None
    container_name: str | None = None
    image: str | None = None
    is_std_err: bool = False
    fields: dict[str, Any] = {}


class _Batch(msgspec.Struct):
    logs: list[msgspec.Raw]


_record = msgspec.json.Decoder(_Record).decode
_batch = msgspec.json.Decoder(_Batch).decode


class Foreign:
    """One record of another device, as an origin and a line, and the id it has there."""

    __slots__ = ("id", "line", "origin")

    def __init__(self, origin: Origin, line: Line, id_: str) -> None:
        self.origin = origin
        self.line = line
        self.id = id_


def records(
    payload: bytes, *, source: str, clock: Callable[[], int] = time.time_ns
) -> list[Foreign]:
    """What a payload holds, a record or a batch of them; `ValueError` when it holds neither."""
    try:
        rows: list[Any] = list(_batch(payload).logs)
    except (msgspec.DecodeError, RecursionError):
        rows = [payload]
    try:
        return [_foreign(_record(row), source, clock) for row in rows]
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ValueError("neither a record nor a batch of records") from exc


def _foreign(found: _Record, source: str, clock: Callable[[], int]) -> Foreign:
    timestamp = found.timestamp if 0 < found.timestamp < _LATEST else clock() // 1_000_000
    origin = Origin(
        type=_type(found.source.type),
        name=_cut(found.source.name) or _cut(found.container_name) or "unknown",
        device=_cut(found.device) or "unknown",
        app=_cut(found.app),
        project=_cut(found.project),
        service_id=found.service_id,
        service=_cut(found.service_name),
        container_id=_cut(found.container_id),
        container=_cut(found.container_name),
        image=_cut(found.image),
        source=source,
    )
    line = Line(
        text=found.message[:LONGEST],
        time=_time(found.time, timestamp),
        timestamp=timestamp,
        stderr=found.is_std_err,
        level=found.level if found.level in _LEVELS else "",
        fields=_quote(found.fields).decode() if found.fields else "",
        extra=f',"remoteId":{_quote(_cut(found.id) or "").decode()}',
    )
    return Foreign(origin, line, found.id)


def _type(text: str) -> OriginType:
    try:
        found = OriginType(text)
    except ValueError:
        return OriginType.DEVICE
    ours = found in (OriginType.SYSTEM, OriginType.MANAGER)
    return OriginType.DEVICE if ours else found


def _cut(text: str | None) -> str | None:
    return text[:_NAME] or None if text else None


def _time(text: str, timestamp: int) -> str:
    """The time with its nanoseconds, where it says the same as the milliseconds."""
    told = time_text(timestamp * 1_000_000)
    digits = text[20:29]
    sound = len(text) == len(told) and text.endswith("Z") and digits.isascii() and digits.isdigit()
    return text if sound and text[:23] == told[:23] else told
