"""What a record says in its JSON alone: its time to the nanosecond, its fields; and names."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from towline.broker.topics import UNKNOWN, VALUES
from towline.record import Origin, Record, is_deep

_NS: Final = 1_000_000
_MOST_FIELDS: Final = 64
_LONGEST_FIELD: Final = 512
_LONGEST_ID: Final = 64


class _Details(msgspec.Struct, gc=False, rename="camel"):
    time: str = ""
    fields: msgspec.Raw = msgspec.Raw()
    is_system: bool = False


_decode = msgspec.json.Decoder(_Details).decode
_fields = msgspec.json.Decoder(dict[str, Any]).decode


class Details:
    """A record with what only its JSON says."""

    __slots__ = ("_found", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        try:
            self._found = _decode(record.json)
        except RecursionError:  # fields that are nested a thousand deep
            head, _, tail = record.json.partition(b',"fields":')
            self._found = _decode(head + b"}" if tail else b"{}")

    @property
    def time(self) -> str:
        """RFC 3339 with nine fractional digits."""
        return self._found.time

    @property
    def ns(self) -> int:
        """Nanoseconds since the epoch."""
        digits = self._found.time[20:29]
        below = int(digits) % _NS if len(digits) == 9 and digits.isdigit() else 0
        return self.record.timestamp * _NS + below

    @property
    def is_system(self) -> bool:
        """Whether Towline itself has added it."""
        return self._found.is_system

    @property
    def fields(self) -> dict[str, Any]:
        """The parsed fields; none where they are nested without end."""
        raw = bytes(self._found.fields).decode()
        return _fields(raw) if raw and not is_deep(raw) else {}

    @property
    def flat_fields(self) -> dict[str, str]:
        """The first of them as texts, each cut to a length."""
        first = list(self.fields.items())[:_MOST_FIELDS]
        return {name: _text(item)[:_LONGEST_FIELD] for name, item in first}

    @property
    def identity(self) -> str:
        """The same for the same line, however often it is read: container, row and time.

        Not the row alone: the count begins anew where the data folder was lost.
        """
        origin, record = self.record.origin, self.record
        if origin.container_id and record.seq and not self.is_system:
            return f"{origin.container_id[:_LONGEST_ID]}-{record.seq}-{self.ns}"
        return f"{origin.device}-{record.id}"


def _text(item: Any) -> str:
    return item if isinstance(item, str) else msgspec.json.encode(item).decode()


def value(record: Record, placeholder: str) -> str:
    """What a placeholder says of a record; `unknown` where nothing is known."""
    if placeholder == "level":
        return record.level
    if placeholder == "stream":
        return "stderr" if record.stderr else "stdout"
    return VALUES[placeholder](record.origin) or UNKNOWN


def facts(origin: Origin) -> dict[str, str]:
    """What is known of an origin, by the words of the YAML; only what is given."""
    found = {
        "device": origin.device,
        "source": origin.source,
        "name": origin.name,
        "app": origin.app,
        "project": origin.project,
        "service": origin.service,
        "container": origin.container,
        "container_id": origin.container_id,
        "image": origin.image,
        "type": str(origin.type),
    }
    return {key: value for key, value in found.items() if value}
