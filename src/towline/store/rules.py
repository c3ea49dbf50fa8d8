"""How old each record may grow: the rules of retention, compiled, and what they mean for a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from towline.config.settings import Keep
from towline.pipeline.encode import Decoder
from towline.pipeline.match import Verdict, compile_match
from towline.record import Origin, Record
from towline.store.facts import ANY, Facts, Kind
from towline.store.segment import Segment

_ORIGINS: Final = 4096
WORTH: Final = 10
"""A file is written anew when at least one in so many bytes can go."""

PATIENCE: Final = 2.0
"""Or when a record has grown so many times as old as it may."""


@dataclass(slots=True)
class Share:
    """The records of a file that one rule decides for: times in milliseconds, bytes of text."""

    count: int = 0
    size: int = 0
    oldest: int = 1 << 62
    newest: int = 0

    def add(self, timestamp: int, size: int) -> None:
        """Count one record in."""
        self.count += 1
        self.size += size
        self.oldest = min(self.oldest, timestamp)
        self.newest = max(self.newest, timestamp)


class Rules:
    """Which of some ages holds for a record: that of the first rule that matches, else the last.

    `ages` are seconds, by the number that `of` answers with.
    """

    def __init__(self, rules: Sequence[Keep], max_age: float) -> None:
        self.ages = (*(rule.max_age for rule in rules), max_age)
        self._matchers = [compile_match(rule.match) for rule in rules]
        self._verdicts: dict[int, tuple[Origin, list[Verdict]]] = {}

    def of(self, record: Record) -> int:
        """The number of the age that holds for a record."""
        for number, verdict in enumerate(self._ways(record.origin)):
            if verdict is True or (verdict is not False and verdict(record)):
                return number
        return len(self._matchers)

    def _ways(self, origin: Origin) -> list[Verdict]:
        # by identity, which is cheap; the origin is kept, so that its id cannot be another's
        known = self._verdicts.get(id(origin))
        if known is None:
            if len(self._verdicts) >= _ORIGINS:
                self._verdicts.clear()
            verdicts = [matcher.of(origin) for matcher in self._matchers]
            known = self._verdicts[id(origin)] = origin, verdicts
        return known[1]

    def possible(self, facts: Facts, decode: Decoder) -> frozenset[int]:
        """The numbers of the ages that can hold for any record of a file, by its facts."""
        return frozenset[int]().union(*(self._possible(k, decode) for k in facts.kinds or (ANY,)))

    def _possible(self, kind: Kind, decode: Decoder) -> set[int]:
        everything = set(range(len(self.ages)))
        if kind.origin is None:
            return everything
        try:
            origin = decode.origin(kind.origin)
        except ValueError:  # a type that a later version knows
            return everything
        found: set[int] = set()
        for number, matcher in enumerate(self._matchers):
            verdict = matcher.of(origin, kind)
            if verdict is not False:
                found.add(number)
            if verdict is True:
                return found
        return found | {len(self._matchers)}

    def horizons(self, now: float) -> tuple[float, ...]:
        """The time, in milliseconds, before which records are too old, for each of the ages."""
        return tuple((now - age) * 1000 for age in self.ages)

    def measure(self, segment: Segment, decode: Decoder) -> tuple[Share, ...]:
        """What each of the ages holds for in a file. Blocking."""
        shares = tuple(Share() for _ in self.ages)
        for row in segment.lines():
            try:
                record = decode(row)
            except ValueError:
                continue
            shares[self.of(record)].add(record.timestamp, len(row) + 1)
        return shares

    def stale(self, now: float) -> Callable[[Record], bool]:
        """Whether a record is too old."""
        horizons = self.horizons(now)
        return lambda record: record.timestamp < horizons[self.of(record)]

    def worth(self, shares: Sequence[Share], now: float) -> bool:
        """Whether so much of a file can go that it is written anew.

        What a rule decides for goes at once when all of it in the file is too old, so that a file
        is not written again for every hour of it.
        """
        total = sum(share.size for share in shares)
        can_go = 0
        for share, age, horizon in zip(shares, self.ages, self.horizons(now), strict=True):
            if share.count and share.oldest < (now - PATIENCE * age) * 1000:
                return True
            if share.count and share.newest < horizon:
                can_go += share.size
        return bool(total) and can_go * WORTH >= total
