"""What a record says in its JSON alone: its time to the nanosecond, its fields."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from towline.broker.topics import UNKNOWN, VALUES
from towline.record import Origin, Record

_NS: Final = 1_000_000


class _Details(msgspec.Struct, gc=False):
    time: str = ""
    fields: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Details).decode
_fields = msgspec.json.Decoder(dict[str, Any]).decode


def time_and_fields(record: Record) -> tuple[int, dict[str, Any]]:
    """Nanoseconds since the epoch, and the parsed fields."""
    found = _decode(record.json)
    fields = _fields(found.fields) if found.fields else {}
    digits = found.time[20:29]
    below = int(digits) % _NS if len(digits) == 9 and digits.isdigit() else 0
    return record.timestamp * _NS + below, fields


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
