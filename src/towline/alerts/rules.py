"""The rule of an alert, pure: which records count, and when there are enough of them.

Times are milliseconds: those of the records, so that a restart or a preview comes to the same end.
A record from the future counts as of now, and a record that comes late counts in its own time.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from towline.config.alerts import Alert
from towline.pipeline.match import Verdict, compile_match
from towline.record import Origin, OriginType, Record

MOST_GROUPS: Final = 1000
"""Groups that are counted at once; the one that was quiet longest goes first."""

OWN: Final = "alerts"
"""The origin's name of records that alerts write: no alert looks at them."""

_ORIGINS: Final = 4096


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """What a container's event says."""

    event: str = ""
    exit_code: int | None = None


class _Refined(msgspec.Struct):
    fields: Event = Event()


_refined = msgspec.json.Decoder(_Refined).decode


def event_of(record: Record) -> Event:
    """The event that a record of Towline's own tells; an empty one for any other record."""
    if record.origin.type is not OriginType.SYSTEM:
        return Event()
    try:
        return _refined(record.json).fields
    except ValueError:
        return Event()


class Sieve:
    """Lets those records through that an alert counts. An origin's part is decided once."""

    def __init__(self, alert: Alert) -> None:
        self._matcher = compile_match(alert.match)
        self._events = frozenset(alert.events)
        self._unless = frozenset(alert.unless_exit)
        self._verdicts: dict[int, tuple[Origin, Verdict]] = {}

    def __call__(self, record: Record) -> bool:
        """Whether the record counts."""
        return bool(self.through([record]))

    def through(self, records: Iterable[Record]) -> list[Record]:
        """Those of the records that count."""
        found = []
        origin: Origin | None = None
        verdict: Verdict = False
        for record in records:
            if record.origin is not origin:
                origin = record.origin
                verdict = self._verdict(origin)
            if verdict is True or (verdict is not False and verdict(record)):
                found.append(record)
        return found

    def _verdict(self, origin: Origin) -> Verdict:
        # by identity, which is cheap; the origin is kept, so its id cannot be another's
        known = self._verdicts.get(id(origin))
        if known is None:
            if len(self._verdicts) >= _ORIGINS:
                self._verdicts.clear()
            known = self._verdicts[id(origin)] = origin, self._decide(origin)
        return known[1]

    def _decide(self, origin: Origin) -> Verdict:
        if origin.type is OriginType.MANAGER and origin.name == OWN:
            return False
        verdict = self._matcher.of(origin)
        if not self._events or verdict is False:
            return verdict
        if origin.type is not OriginType.SYSTEM:
            return False
        return lambda record: (
            self._is_wanted(event_of(record)) and (verdict is True or verdict(record))
        )

    def _is_wanted(self, found: Event) -> bool:
        return found.event in self._events and found.exit_code not in self._unless


_GROUPS: Final[Mapping[str, Callable[[Record], str | None]]] = {
    # an event and the lines of one container are one origin, though of two types
    "origin": lambda record: record.origin.container or record.origin.name,
    "service": lambda record: record.origin.service,
    "project": lambda record: record.origin.project,
    "app": lambda record: record.origin.app or record.origin.project,
    "image": lambda record: record.origin.image,
    "device": lambda record: record.origin.device,
    "level": lambda record: record.level,
}


def group_of(record: Record, group: Collection[str], device: str) -> str:
    """The group in which a record counts, in words; empty where all are one.

    An origin of another device than ours is another one.
    """
    if "all" in group:
        return ""
    found = [_GROUPS[word](record) or "unknown" for word in group]
    if "origin" in group and "device" not in group and record.origin.device != device:
        found.append(record.origin.device)
    return ", ".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An alert fired (`count` records did it, `suppressed` since the last time did not) or is over.

    `at` is when, in milliseconds; `origin` what wrote the record that made it fire, in words.
    """

    group: str
    fired: bool
    at: int
    count: int
    suppressed: int
    origin: Mapping[str, str]


class _Group(msgspec.Struct, array_like=True):
    """What is known of one group: its newest hits, when it fired, whether that is not over yet.

    `origin` is what made it fire, in words, while it is not over.
    """

    hits: list[int] = []
    latest: int = 0
    fired_at: int | None = None
    firing: bool = False
    suppressed: int = 0
    origin: dict[str, str] = {}


class Windows:
    """Counts per group. Fires at the `over.count`th record within `over.span`, then cools down.

    What comes while it cools down counts on, so that it fires again at the first record after it
    if there are still too many.
    """

    def __init__(self, alert: Alert) -> None:
        self._count = alert.over.count
        self._span = round(alert.over.span * 1000)
        self._cooldown = round(alert.cooldown * 1000)
        self._resolve = round(alert.resolve * 1000)
        self._groups: dict[str, _Group] = {}
        self.suppressed = self.forgotten = 0

    def hit(
        self, name: str, at: int, now: int, origin: Callable[[], dict[str, str]] = dict
    ) -> Change | None:
        """Count a record in; what that brings about. `origin` tells what wrote it."""
        at = min(at, now)
        group = self._group(name, now)
        hits = group.hits
        insort(hits, at)
        del hits[: -self._count]
        group.latest = max(group.latest, at)
        if len(hits) < self._count or hits[-1] - hits[0] >= max(self._span, 1):
            return None
        if group.fired_at is not None and at - group.fired_at < self._cooldown:
            group.suppressed += 1
            self.suppressed += 1
            return None
        about = origin()
        change = Change(
            group=name,
            fired=True,
            at=at,
            count=len(hits),
            suppressed=group.suppressed,
            origin=about,
        )
        hits.clear()
        group.origin = about if self._resolve else {}
        group.fired_at, group.suppressed, group.firing = at, 0, True
        return change

    def over(self, now: int) -> list[Change]:
        """Groups that have been quiet long enough since they fired."""
        if not self._resolve:
            return []
        found = []
        for name, group in self._groups.items():
            if group.firing and now - group.latest >= self._resolve:
                group.firing = False
                change = Change(
                    group=name,
                    fired=False,
                    at=now,
                    count=0,
                    suppressed=group.suppressed,
                    origin=group.origin,
                )
                found.append(change)
                group.suppressed, group.origin = 0, {}
        return found

    def due(self) -> int | None:
        """When `over` should be asked next."""
        if not self._resolve:
            return None
        ends = [group.latest for group in self._groups.values() if group.firing]
        return min(ends) + self._resolve if ends else None

    @property
    def firing(self) -> list[str]:
        """Groups that fired and are not over; known only where an alert says when it is over."""
        if not self._resolve:
            return []
        return [name for name, group in self._groups.items() if group.firing]

    def _group(self, name: str, now: int) -> _Group:
        group = self._groups.pop(name, None) or _Group()
        if group.latest > now:  # the clock was set back: times that lie ahead say nothing any more
            group = _Group(firing=group.firing, origin=group.origin)
        self._groups[name] = group  # at the end: the first one was quiet longest
        if len(self._groups) > MOST_GROUPS:
            del self._groups[next(iter(self._groups))]
            self.forgotten += 1
        return group

    def state(self) -> dict[str, Any]:
        """Everything, as plain data."""
        found: dict[str, Any] = msgspec.to_builtins(self._groups)
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; `ValueError` for what is none."""
        self._groups = msgspec.convert(state, dict[str, _Group])
        for group in self._groups.values():
            group.hits = sorted(group.hits)[-self._count :]
