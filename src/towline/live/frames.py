"""The live protocol's frames: what a viewer is sent, as JSON text. Pure functions on values.

Records are joined, never encoded again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

MAX_FRAME: Final = 512 << 10
"""Bytes of records in one frame; a longer record goes alone. Ingress ends at 16 MiB."""

_encode = msgspec.json.Encoder().encode


class Frame(NamedTuple):
    """One frame: its JSON, and the id that a viewer resumes after once it has it ("" if none)."""

    payload: bytes
    id: str = ""


def hello(facts: Mapping[str, Any]) -> Frame:
    """The first frame: whom the viewer is talking to, and where the store stands."""
    return Frame(_encode({"type": "hello", **facts}))


def logs(records: Iterable[bytes], record_id: str) -> Frame:
    """Records in store order; `record_id` is the last one's."""
    return Frame(b'{"type":"logs","logs":[' + b",".join(records) + b"]}", record_id)


def gap(missed: int | None, reason: str) -> Frame:
    """Records the viewer will not get: how many, or None where nobody can know."""
    return Frame(_encode({"type": "gap", "missed": missed, "reason": reason}))


def ping(record_id: str) -> Frame:
    """A sign of life; everything up to `record_id` was looked at."""
    return Frame(b'{"type":"ping","after":"' + record_id.encode() + b'"}', record_id)


def as_event(frame: Frame) -> bytes:
    """A frame as a Server-Sent Event. JSON holds no newline, so one `data:` line is enough."""
    if frame.id:
        return b"id: " + frame.id.encode() + b"\ndata: " + frame.payload + b"\n\n"
    return b"data: " + frame.payload + b"\n\n"


def packed(records: Iterable[tuple[str, bytes]]) -> Iterator[Frame]:
    """Records (id and JSON) as `logs` frames of a bounded size."""
    held: list[bytes] = []
    size, last = 0, ""
    for record_id, text in records:
        if held and size + len(text) > MAX_FRAME:
            yield logs(held, last)
            held, size = [], 0
        held.append(text)
        size += len(text)
        last = record_id
    if held:
        yield logs(held, last)
