"""Stored records run through a configuration that is not in force, counted. No I/O.

Stored records are refined already: what was redacted stays so, what was parsed is fields. A
record keeps its level unless the new configuration finds another one in the line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from towline.config.settings import Route, Settings
from towline.delivery.router import Router
from towline.pipeline.encode import Decoder, Labels
from towline.record import Line, Record
from towline.runtime.alarms import Alarms
from towline.runtime.trial import (
    DROPPED,
    JOINED,
    LEVEL,
    LIMITED,
    PARSED,
    REDACTED,
    Trial,
    Tried,
)

TOGETHER: Final = 250
"""Records that run through together."""

SAMPLES: Final = 3
"""Records shown of each kind of change."""


class _Refined(msgspec.Struct, gc=False):
    fields: msgspec.Raw = msgspec.Raw()


_refined = msgspec.json.Decoder(_Refined).decode


class Present:
    """The routes in force."""

    def __init__(self, backends: Iterable[str], routes: Iterable[Route]) -> None:
        self.backends = tuple(backends)
        self.routes = tuple(routes)
        self._router = Router(self.routes)

    @classmethod
    def of(cls, settings: Settings) -> Present:
        """Those of a configuration."""
        return cls(settings.backends, settings.routes)

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> Present:
        """Those that `planning.routing` wrote; `ValueError` or `KeyError` when it did not."""
        return cls(found["backends"], msgspec.convert(found["routes"], tuple[Route, ...]))

    def goes_to(self, record: Record) -> tuple[str, ...]:
        """The backends that get a record."""
        return self._router.destinations(record, self.backends)


@dataclass(slots=True)
class Tally:
    """How many records, and the first few."""

    count: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, record: Record, **more: Any) -> None:
        """Count one in; `more` is told beside it in a sample."""
        self.count += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(_sample(record) | more)

    def as_json(self) -> dict[str, Any]:
        """The shape that programs get."""
        return {"count": self.count, "samples": self.samples}


class Preview:
    """Counts what would become of records; `present` None: what is in force is not known."""

    def __init__(
        self,
        settings: Settings,
        present: Present | None,
        labels: Mapping[str, Labels] | None = None,
    ) -> None:
        self._trial = Trial(settings)
        self._alarms = Alarms(settings)
        self._present = present
        self._decode = Decoder()
        self._decode.labels.update(labels or {})
        # what holds alike for both is asked once
        self._alike = present is not None and (present.backends, present.routes) == (
            self._trial.backends,
            settings.routes,
        )
        self.records = self.damaged = 0
        self.oldest, self.newest = 1 << 62, 0
        names = (*self._trial.backends, *(present.backends if present else ()))
        self.backends = tuple(dict.fromkeys(names))
        self._now: Counter[str] = Counter()
        self._then: Counter[str] = Counter()
        self._gained = {name: Tally() for name in self.backends}
        self._lost = {name: Tally() for name in self.backends}
        self._nowhere = Tally()
        self._gone = {step: Tally() for step in (JOINED, DROPPED, LIMITED)}
        self._changed = {REDACTED: Tally(), PARSED: Tally()}
        self._levels: dict[tuple[str, str], Tally] = {}

    def add(self, rows: Iterable[bytes]) -> None:
        """Run records through, as they are stored, oldest first.

        Those of an origin run together: lines that became one record are not cut by others'.
        """
        decoded = self._decoded(rows)
        while some := list(islice(decoded, TOGETHER)):
            self._add(some)

    def _add(self, some: list[tuple[Record, str]]) -> None:
        of_origin: dict[int, list[tuple[Record, str]]] = {}
        for pair in some:
            of_origin.setdefault(id(pair[0].origin), []).append(pair)
        found: list[tuple[Record, Tried]] = []
        for pairs in of_origin.values():
            tried = self._trial.many(pairs[0][0].origin, [_line(*pair) for pair in pairs])
            found += zip([record for record, _ in pairs], tried, strict=True)
        for record, each in sorted(found, key=lambda pair: pair[0].offset):
            self._count(record, each)

    def _decoded(self, rows: Iterable[bytes]) -> Iterator[tuple[Record, str]]:
        for row in rows:
            try:
                yield self._decode(row), bytes(_refined(row).fields).decode()
            except ValueError:
                self.damaged += bool(row)

    def _count(self, record: Record, tried: Tried) -> None:
        self.records += 1
        self.oldest = min(self.oldest, record.timestamp)
        self.newest = max(self.newest, record.timestamp)
        if tried.record is None:
            for step, tally in self._gone.items():
                if step in tried.changed:
                    tally.add(record)
        else:
            self._alarms.add(tried.record)
        self._count_routes(record, tried)
        if tried.record is None:
            return
        if not tried.changed:
            return
        for step, tally in self._changed.items():
            if step in tried.changed:
                tally.add(tried.record, id=record.id)
        if LEVEL in tried.changed:
            change = record.level, tried.record.level
            tally = self._levels.setdefault(change, Tally())
            tally.add(tried.record, id=record.id, before=record.level)

    def _count_routes(self, record: Record, tried: Tried) -> None:
        then = tried.to
        for name in then:
            self._then[name] += 1
        if not then and tried.record is not None:
            self._nowhere.add(tried.record, id=record.id)
        if self._present is None:
            return
        alike = self._alike and tried.record is not None and not tried.changed
        now = then if alike else self._present.goes_to(record)
        for name in now:
            self._now[name] += 1
        if now != then and JOINED not in tried.changed:
            for name in set(then).difference(now):
                self._gained[name].add(tried.record or record, id=record.id)
            for name in set(now).difference(then):
                self._lost[name].add(record)

    def as_json(self) -> dict[str, Any]:
        """Everything that was counted."""
        known = self._present is not None
        return {
            "records": self.records,
            "damaged": self.damaged,
            "since": self.oldest if self.records else None,
            "until": self.newest if self.records else None,
            "backends": {
                name: {
                    "now": self._now[name] if known else None,
                    "then": self._then[name],
                    "gained": self._gained[name].as_json(),
                    "lost": self._lost[name].as_json(),
                }
                for name in self.backends
            },
            "nowhere": self._nowhere.as_json(),
            **{step: tally.as_json() for step, tally in self._gone.items()},
            "alerts": self._alarms.as_json(),
            "redacted": self._changed[REDACTED].as_json(),
            "parsed": self._changed[PARSED].as_json(),
            "levels": [
                {"before": before, "after": after, **tally.as_json()}
                for (before, after), tally in sorted(self._levels.items())
            ],
        }


def _line(record: Record, fields: str) -> Line:
    return Line(
        text=record.message,
        time="",
        timestamp=record.timestamp,
        stderr=record.stderr,
        seq=record.seq,
        level=record.level,
        fields=fields,
    )


def _sample(record: Record) -> dict[str, Any]:
    origin = record.origin
    return {
        "id": record.id,
        "timestamp": record.timestamp,
        "name": origin.container or origin.name,
        "level": record.level,
        "message": record.message,
    }
