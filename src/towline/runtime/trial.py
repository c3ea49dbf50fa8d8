"""What a configuration would make of a line, without anything being opened. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from towline.config.settings import Settings
from towline.delivery.router import Router
from towline.pipeline.encode import encode, template_of
from towline.pipeline.pipeline import Pipeline
from towline.record import Line, Origin, Record

REDACTED: Final = "redacted"
JOINED: Final = "joined"
PARSED: Final = "parsed"
LEVEL: Final = "level"
DROPPED: Final = "dropped"
LIMITED: Final = "limited"

_fields = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of a line. `record` None: there is none that ends with it.

    `to` holds the backends that would get it, in the file's order; `changed` the words of the
    steps that made something else of it. Of lines that become one record, the last has it.
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

    The parts are the ones that `towline run` uses, so both say the same. The clock is that of the
    lines: what waits or is limited is so as it would have been when they came.
    """

    def __init__(self, settings: Settings) -> None:
        self.device = settings.device.id
        self.backends = tuple(settings.backends)
        self._settings = settings.pipeline
        self._router = Router(settings.routes)
        self._now = 0.0
        self.forget()

    def forget(self) -> None:
        """Begin anew: no step remembers any earlier line."""
        self._pipeline = Pipeline(self._settings, clock=lambda: self._now)

    def __call__(self, origin: Origin, line: Line) -> Tried:
        """What would come of a line that is the only one."""
        (tried,) = self.many(origin, [line])
        return tried

    def many(self, origin: Origin, lines: list[Line]) -> list[Tried]:
        """What would come of lines of one origin in their order, if no more of them came.

        They are refined in place; their `seq` becomes their position, counted from 1.
        """
        before = [copy(line) for line in lines]
        redacted: set[int] = set()
        whole: list[Line] = []
        for position, line in enumerate(lines, 1):
            line.seq = position
            self._now = line.timestamp / 1000
            whole += _all(self._pipeline.joined())
            self._pipeline.redact(origin, [line])
            if line.text != before[position - 1].text:
                redacted.add(position)
            whole += self._pipeline.join(origin, [line])
        whole += _all(self._pipeline.joined(everything=True))
        found = [PART] * len(lines)
        for line in sorted(whole, key=lambda line: line.seq):
            last = before[line.seq - 1]
            self._now = last.timestamp / 1000
            span = range(line.first or line.seq, line.seq + 1)
            parts = {at for at in span if before[at - 1].stderr == line.stderr}
            changed = {JOINED} if len(parts) > 1 else set()
            changed |= {REDACTED} if parts & redacted else set()
            found[line.seq - 1] = self._tried(origin, line, changed)
        return found

    def _tried(self, origin: Origin, line: Line, changed: set[str]) -> Tried:
        """What would come of a whole line; `changed` until now."""
        text, fields, level = line.text, line.fields, line.level or _level_of_stream(line)
        pipeline = self._pipeline
        pipeline.tell([line])
        kept = pipeline.keep(origin, [line])
        if not kept or not pipeline.limit(origin, kept):
            return replace(PART, changed=frozenset({LIMITED if kept else DROPPED}))
        if (line.text, line.fields) != (text, fields):
            changed.add(PARSED)
        if line.level != level:
            changed.add(LEVEL)
        (record,) = encode(template_of(origin), [line], 0)
        return Tried(
            record=record,
            fields_json=line.fields,
            to=self._router.destinations(record, self.backends),
            changed=frozenset(changed),
        )


PART: Final = Tried(record=None, fields_json="", to=(), changed=frozenset({JOINED}))
"""What comes of a line that another one's record takes in."""


def _all(groups: Iterable[tuple[Origin, list[Line]]]) -> list[Line]:
    return [line for _, lines in groups for line in lines]


def _level_of_stream(line: Line) -> str:
    return "error" if line.stderr else "info"
