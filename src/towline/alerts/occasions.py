"""From a change of an alert to the occasion that its actions are told of."""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from typing import Any, Final

import msgspec

from towline.actions.occasion import Occasion
from towline.alerts.rules import Change, event_of
from towline.broker.topics import VALUES
from towline.config.settings import Match
from towline.record import Origin, Record, time_text
from towline.store.log import Store
from towline.store.query import Query

LONGEST: Final = 2000
"""Characters of a message or a line that go into an occasion."""

LOOK_BACK: Final = 3_600_000
"""Milliseconds in which the last lines of a container are looked for."""

FIRED: Final = "fired"
RESOLVED: Final = "resolved"


class _Refined(msgspec.Struct):
    fields: dict[str, Any] = {}


_refined = msgspec.json.Decoder(_Refined).decode


def sentence(name: str, change: Change, record: Record | None) -> str:
    """What happened, as one line."""
    where = f" for {change.group}" if change.group else ""
    if not change.fired:
        return f"alert {name} is over{where}"
    often = f" ({change.count} times)" if change.count > 1 else ""
    said = f": {record.message[:LONGEST]}" if record else ""
    return f"alert {name} fired{where}{often}{said}"


def about(origin: Origin) -> dict[str, str]:
    """What wrote a record, in the words of templates."""
    found = {word: value(origin) or "" for word, value in VALUES.items()}
    return found | {"name": origin.name, "image": origin.image or ""}


def occasion(
    name: str, device: str, change: Change, record: Record | None, lines: Sequence[Record]
) -> Occasion:
    """Words and JSON of a change; `record` is the one that brought it about, if one did."""
    state = FIRED if change.fired else RESOLVED
    words = {
        "device": device,
        **change.origin,
        "alert": name,
        "state": state,
        "group": change.group,
        "count": str(change.count),
        "suppressed": str(change.suppressed),
        "time": time_text(change.at * 1_000_000),
        "message": sentence(name, change, None),
        "lines": "\n".join(line.message[:LONGEST] for line in lines),
    }
    if record is not None:
        words |= _words(record)
    document = {
        "alert": name,
        "state": state,
        "group": change.group,
        "count": change.count,
        "suppressed": change.suppressed,
        "timestamp": change.at,
        "device": device,
        "origin": change.origin,
        "record": msgspec.Raw(record.json) if record else None,
        "lines": [_line(line) for line in lines],
    }
    return Occasion(
        about=f"alerts.{name}",
        name=name,
        device=device,
        words=words,
        json=msgspec.json.encode(document),
    )


def _line(line: Record) -> dict[str, Any]:
    message = line.message[:LONGEST]
    return {"timestamp": line.timestamp, "isStdErr": line.stderr, "message": message}


def _words(record: Record) -> dict[str, str]:
    try:
        fields = _refined(record.json).fields
    except (ValueError, RecursionError):
        fields = {}
    event = event_of(record)
    code = event.exit_code
    return {
        **{f"fields.{key}": _text(value) for key, value in fields.items()},
        "message": record.message[:LONGEST],
        "id": record.id,
        "level": record.level,
        "stream": "stderr" if record.stderr else "stdout",
        "event": event.event,
        "exit_code": "" if code is None else str(code),
    }


def _text(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text[:LONGEST]


async def last_lines(store: Store, record: Record, count: int) -> list[Record]:
    """The last lines of both streams of a record's container up to then, oldest first."""
    origin = record.origin
    query = Query(
        match=_container(origin),
        container_id=(origin.container_id,) if origin.container_id else (),
        source_type=("container",),
        since=record.timestamp - LOOK_BACK,
        until=record.timestamp + 1,
        limit=count,
    )
    return (await store.query(query)).records[::-1]


def _container(origin: Origin) -> Match:
    if origin.container_id:
        return Match()
    return Match(name=(escape(origin.name),), device=(escape(origin.device),))
