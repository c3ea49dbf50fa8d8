"""How much each origin may write: what is above that is folded, sampled or dropped, and said.

Only counts are kept back. After a crash a record may stand for fewer lines than there were, but no
kind of line is missing for it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Final

from towline.config.pipeline import Limit
from towline.pipeline.drop import MOST_ORIGINS, Verdicts, seen
from towline.record import Line, Origin, OriginType, time_text

FOLD: Final = 10.0
"""Seconds for which like lines are counted before a record tells how many there were."""

NOTICE: Final = 60.0
"""Seconds for which lines above a limit are counted before Towline says so."""

MOST_KINDS: Final = 32
"""Kinds of lines that are told apart in `FOLD` seconds; all others are one kind."""

_COMPARED: Final = 200
"""Characters of a line by which it is like another one."""

_DONE: Final = {"fold": "folded", "sample": "sampled", "drop": "dropped"}
_OTHERS: Final = (False, "", "")

_numbers = re.compile(r"\b[0-9a-f]{8,}\b|[0-9]+", re.IGNORECASE)

Kind = tuple[bool, str, str]


@dataclass(slots=True)
class _Folded:
    """Lines that are alike: the last of them, and how many since the one that is stored."""

    last: Line
    count: int = 0


@dataclass(slots=True)
class _Bucket:
    """What an origin may still write, and what it wrote above that.

    `folds_at` and `told_at` are when that is to be told; infinite where there is nothing.
    """

    origin: Origin
    limit: Limit
    tokens: float
    at: float
    above: int = 0
    told_at: float = float("inf")
    folds_at: float = float("inf")
    kinds: dict[Kind, _Folded] = field(default_factory=dict)

    def fill(self, now: float) -> None:
        """Grant what time has brought."""
        more = max(0.0, now - self.at) * self.limit.rate
        self.tokens = min(float(self.limit.burst), self.tokens + more)
        self.at = now

    def takes(self, line: Line) -> bool:
        """Whether a line is stored."""
        if self.tokens >= 1:
            self.tokens -= 1
            return True
        self.above += 1
        self.told_at = min(self.told_at, self.at + NOTICE)
        if self.limit.over == "fold":
            return self._is_new(line)
        return self.limit.over == "sample" and self.above % self.limit.every == 0

    def _is_new(self, line: Line) -> bool:
        """Whether it is the first of its kind; else it is counted."""
        kind = line.stderr, line.level, _numbers.sub("#", line.text[:_COMPARED])
        self.folds_at = min(self.folds_at, self.at + FOLD)
        if kind not in self.kinds and len(self.kinds) >= MOST_KINDS:
            kind = _OTHERS
        like = self.kinds.get(kind)
        if like is None:
            self.kinds[kind] = _Folded(line)
            return True
        like.last = line
        like.count += 1
        return False

    def folded(self) -> list[Line]:
        """A line for each kind of which there was more than one, as often as it was `repeated`."""
        found = []
        for kind, like in self.kinds.items():
            if like.count:
                line = copy(like.last)
                line.extra += f',"repeated":{like.count}'
                if kind == _OTHERS:
                    line.text = f"{like.count} more lines of other kinds, the last: {line.text}"
                found.append(line)
        self.kinds, self.folds_at = {}, float("inf")
        return sorted(found, key=lambda line: line.seq)

    def notice(self) -> Line:
        """What Towline says of it."""
        rate, word = f"{self.limit.rate:g}/s", _DONE[self.limit.over]
        count, self.above, self.told_at = self.above, 0, float("inf")
        now = time.time_ns()
        text = f"{self.origin.name}: {count} lines above its limit of {rate} were {word}"
        return Line(text, time_text(now), now // 1_000_000, level="warn")


class Limits:
    """The limits of one configuration; each origin has its own share of each.

    `above` counts, per limit, the lines that were not stored for it. `holds`: whether anything is
    still to be told.
    """

    def __init__(
        self, limits: Sequence[Limit], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._verdicts = Verdicts(limit.match for limit in limits)
        self._clock = clock
        self._buckets: dict[tuple[int, Origin], _Bucket] = {}
        self.above = [0] * len(limits)
        self.holds = False

    def __call__(self, origin: Origin, lines: list[Line]) -> list[Line]:
        """The lines that are stored."""
        verdicts = self._verdicts.of(origin)
        if not any(verdicts):
            return lines
        now = self._clock()
        left = []
        for line in lines:
            number = next(
                (
                    number
                    for number, verdict in enumerate(verdicts)
                    if (verdict(seen(origin, line)) if callable(verdict) else verdict)
                ),
                -1,
            )
            if number < 0 or self._bucket(number, origin, now).takes(line):
                left.append(line)
            else:
                self.above[number] += 1
                self.holds = True
        return left

    def _bucket(self, number: int, origin: Origin, now: float) -> _Bucket:
        found = self._buckets.get((number, origin))
        if found is None:
            if len(self._buckets) >= MOST_ORIGINS:
                self._buckets = {key: each for key, each in self._buckets.items() if each.kinds}
            limit = self._limits[number]
            found = self._buckets[number, origin] = _Bucket(origin, limit, limit.burst, now)
        if found.at != now:
            found.fill(now)
        return found

    def due(self) -> float:
        """When something is to be told, by the clock; infinite where there is nothing."""
        times = (min(each.told_at, each.folds_at) for each in self._buckets.values())
        return min(times, default=float("inf"))

    def release(self, *, everything: bool = False) -> Iterator[tuple[Origin, list[Line]]]:
        """Records of how often lines were folded, and what Towline says; those due or all."""
        now = float("inf") if everything else self._clock()
        for bucket in list(self._buckets.values()):
            if bucket.folds_at <= now and (lines := bucket.folded()):
                yield bucket.origin, lines
            if bucket.told_at <= now and bucket.above:
                yield _towline(bucket.origin.device), [bucket.notice()]
        self.holds = self.due() < float("inf")


def _towline(device: str) -> Origin:
    return Origin(type=OriginType.SYSTEM, name="towline", device=device)
