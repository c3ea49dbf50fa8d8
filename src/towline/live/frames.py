"""The live protocol's frames: what a viewer is sent, as JSON text. Pure functions on values.

Records are joined, never encoded again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

MAX_FRAME: Final = 512 << 10
"""Bytes of records in one frame; a longer record goes alone. Ingress ends at 16 MiB."""

_encode = msgspec.json.Encoder().encode


class Frame:
    """One frame: its JSON, and the id that a viewer resumes after once it has it ("" if none).

    What goes over the wire is made once, however many viewers get the frame.
    """

    __slots__ = ("_event", "_message", "id", "payload")

    def __init__(self, payload: bytes, record_id: str = "") -> None:
        self.payload = payload
        self.id = record_id
        self._message = b""
        self._event = b""

    @property
    def message(self) -> bytes:
        """The frame as a WebSocket text message from a server, header and all (RFC 6455, 5.2)."""
        if not self._message:
            self._message = _header(len(self.payload)) + self.payload
        return self._message

    @property
    def event(self) -> bytes:
        """The frame as a Server-Sent Event. JSON holds no newline: one `data:` line is enough."""
        if not self._event:
            place = f"id: {self.id}\n".encode() if self.id else b""
            self._event = place + b"data: " + self.payload + b"\n\n"
        return self._event


def _header(length: int) -> bytes:
    """A final, unmasked text frame's header."""
    if length < 126:
        return struct.pack("!BB", 0x81, length)
    if length < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, length)
    return struct.pack("!BBQ", 0x81, 127, length)


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
