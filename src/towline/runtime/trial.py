"""What a configuration would make of a line, without anything being opened. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from towline.config.settings import Settings
from towline.delivery.router import Router
from towline.pipeline.pipeline import Pipeline
from towline.record import Line, Origin, Record

REDACTED: Final = "redacted"
PARSED: Final = "parsed"
LEVEL: Final = "level"

_NOTHING: Final[frozenset[str]] = frozenset()
_fields = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of a line. `record` None: it was dropped.

    `to` holds the backends that would get it, in the file's order; `changed` the words of the
    steps that made something else of it.
    """

    record: Record | None
    fields_json: str
    to: tuple[str, ...]
    changed: frozenset[str]

    @property
    def fields(self) -> Mapping[str, Any]:
        """Its parsed fields."""
        return _fields.decode(self.fields_json) if self.fields_json else {}


class Trial:
    """A configuration's own pipeline and routes, compiled; lines come in the order they came.

    The parts are the ones that `towline run` uses, so both say the same.
    """

    def __init__(self, settings: Settings) -> None:
        self.device = settings.device.id
        self.backends = tuple(settings.backends)
        self._settings = settings.pipeline
        self._router = Router(settings.routes)
        self.forget()

    def forget(self) -> None:
        """Begin anew: no step remembers any earlier line."""
        self._pipeline = Pipeline(self._settings)
        self._unparsed = Pipeline(replace(self._settings, parse=()))

    def __call__(self, origin: Origin, line: Line) -> Tried:
        """What would come of a line; the line is refined in place."""
        before = copy(line)
        records = self._pipeline.refine(origin, [line], 0)
        return self._tried(origin, before, line, records[0] if records else None)

    def many(self, origin: Origin, lines: list[Line]) -> list[Tried]:
        """The same for lines of one origin in their order; their `seq` becomes their position."""
        for position, line in enumerate(lines):
            line.seq = position
        before = [copy(line) for line in lines]
        left = {record.seq: record for record in self._pipeline.refine(origin, lines, 0)}
        pairs = enumerate(zip(before, lines, strict=True))
        return [self._tried(origin, old, new, left.get(at)) for at, (old, new) in pairs]

    def _tried(self, origin: Origin, before: Line, after: Line, record: Record | None) -> Tried:
        if record is None:
            return Tried(record=None, fields_json="", to=(), changed=_NOTHING)
        changed = _NOTHING
        if after.text != before.text or after.fields != before.fields:
            changed = self._steps(origin, before, after)
        if record.level != (before.level or _level_of_stream(before)):
            changed |= {LEVEL}
        to = self._router.destinations(record, self.backends)
        return Tried(record=record, fields_json=after.fields, to=to, changed=changed)

    def _steps(self, origin: Origin, before: Line, after: Line) -> frozenset[str]:
        """Which steps made another text or fields of a line: redaction alone shows its part."""
        redacted = copy(before)
        self._unparsed.refine(origin, [redacted], 0)
        found = {REDACTED} if redacted.text != before.text else set()
        if after.text != redacted.text or after.fields != before.fields:
            found.add(PARSED)
        return frozenset(found)


def _level_of_stream(line: Line) -> str:
    return "error" if line.stderr else "info"
