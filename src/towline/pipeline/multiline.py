"""Lines that belong together become one record: stack traces, indented blocks, users' patterns.

A line that is held back is not in the store. `held` says from which row on that is so: a checkpoint
never goes beyond it, and after a crash those rows are read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from towline.config.pipeline import Joining
from towline.pipeline.drop import Verdicts
from towline.pipeline.match import compile_regex
from towline.pipeline.traces import Goes, Trace, begins, further
from towline.ports import Whose
from towline.record import Line, Origin

QUIET: Final = 1.0
"""Seconds after its last line in which a group may still grow."""

LONGEST: Final = 5.0
"""Seconds after its first line in which it may: a trickle does not hold a record back for ever."""

MOST_LINES: Final = 500
MOST_TEXT: Final = 256 * 1024
"""Characters; a group that has so many, or so many lines, is a record, and a new one goes on."""

MOST_HELD: Final = 4 << 20
"""Characters that all groups may hold back together; beyond it none waits."""

_PER_LINE: Final = 200
_BELOW_TEXT: Final = "$"
"""Above blanks, tabs and `#`: what is less is a line that may go on with another one."""

_PANIC: Final = "' panicked at "
"""Rust's, whose further lines begin with anything."""


class Rule(Protocol):
    """How lines of an origin belong together."""

    waits: bool
    """Whether every line may begin a group."""

    def begins(self, text: str) -> Trace | None:
        """What a line may be the beginning of."""

    def further(self, trace: Trace, text: str, lines: int) -> tuple[Goes, Trace]:
        """Whether a line goes on with a group of so many lines, and what that is then."""


class Auto:
    """Traces and blocks of all languages."""

    waits = False
    begins = staticmethod(begins)
    further = staticmethod(further)


class Pattern:
    """A user's pattern: of the first line of each record, or of all others."""

    waits = True

    def __init__(self, joining: Joining) -> None:
        self._search = compile_regex(joining.start or joining.further)
        self._means_further = bool(joining.further)

    def begins(self, text: str) -> Trace:
        """Every line does."""
        return Trace.BLOCK

    def further(self, trace: Trace, text: str, lines: int) -> tuple[Goes, Trace]:
        """What the pattern says."""
        holds = self._search(text) is not None
        return Goes.ON if holds == self._means_further else Goes.NOT, trace


@dataclass(slots=True)
class _Group:
    """Lines of one stream that may go on; `doubtful` ones belong to it if a later one does.

    `fields` are what the source says of each of them: which process wrote it.
    """

    origin: Origin
    fields: str
    trace: Trace
    begun: float
    touched: float
    lines: list[Line] = field(default_factory=list)
    doubtful: list[Line] = field(default_factory=list)
    size: int = 0

    @property
    def first(self) -> int:
        """The first row of it; 0 where it has none."""
        line = next(iter(self.lines or self.doubtful), None)
        return (line.first or line.seq) if line else 0

    @property
    def is_counted(self) -> bool:
        """Whether its lines can be read again."""
        return all(line.seq for line in (self.lines or self.doubtful)[-1:])

    def add(self, line: Line, now: float) -> None:
        self.lines += self.doubtful
        self.lines.append(line)
        self.doubtful = []
        self._grown(line, now)

    def doubt(self, line: Line, now: float) -> None:
        self.doubtful.append(line)
        self._grown(line, now)

    def _grown(self, line: Line, now: float) -> None:
        self.size += len(line.text) + _PER_LINE
        self.touched = now

    @property
    def is_full(self) -> bool:
        return len(self.lines) + len(self.doubtful) >= MOST_LINES or self.size >= MOST_TEXT

    def take(self) -> list[Line]:
        """What it has as one line, and the doubtful ones as they came; it is empty then."""
        whole = [joined(self.lines)] if self.lines else []
        whole += self.doubtful
        self.lines, self.doubtful, self.size = [], [], 0
        return whole


def joined(lines: list[Line]) -> Line:
    """Lines as one: the first one's time, the last one's row, `until` the last one's time."""
    first, last = lines[0], lines[-1]
    if first is last:
        return first
    return Line(
        "\n".join([line.text for line in lines]),
        first.time,
        first.timestamp,
        first.stderr,
        last.seq,
        first.level,
        first.fields,
        extra=f',"until":"{last.time}"',
        first=first.first or first.seq,
    )


Stream = tuple[str, bool]


class Multiline:
    """Joins lines of each origin and stream.

    `joined` counts lines that became part of another, `cut` groups that ended by their size. Only
    lines that are counted (`seq`) are held back after a call: others cannot be read again.
    """

    def __init__(
        self, patterns: tuple[Joining, ...] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._verdicts = Verdicts(each.match for each in patterns)
        self._patterns = [Pattern(each) for each in patterns]
        self._clock = clock
        self._auto = Auto()
        self._groups: dict[Stream, _Group] = {}
        self._size = 0
        self.joined = self.cut = 0

    @property
    def holds(self) -> bool:
        """Whether any line is held back."""
        return bool(self._groups)

    def __call__(self, origin: Origin, lines: list[Line]) -> list[Line]:
        """The lines of an origin that are whole with these."""
        rule = self._rule(origin) if self._patterns else self._auto
        if rule.waits or (self._groups and self._has(origin)) or _needs_a_look(lines):
            return self._join(rule, origin, origin.container_id or origin.key, lines)
        return lines

    def _has(self, origin: Origin) -> bool:
        name = origin.container_id or origin.key
        return (name, False) in self._groups or (name, True) in self._groups

    def _rule(self, origin: Origin) -> Rule:
        pairs = zip(self._patterns, self._verdicts.of(origin), strict=True)
        return next((rule for rule, verdict in pairs if verdict is True), self._auto)

    def _join(self, rule: Rule, origin: Origin, name: str, lines: list[Line]) -> list[Line]:
        whole: list[Line] = []
        now = self._clock()
        for line in lines:
            whole += self._take(rule, origin, (name, line.stderr), line, now)
        for stderr in (False, True):
            group = self._groups.get((name, stderr))
            if group and self._size > MOST_HELD:
                self.cut += 1
                whole += self._close((name, stderr))
            elif group and not group.is_counted:
                whole += self._close((name, stderr))
        whole.sort(key=_first_row)  # of two streams, the one that began first
        return whole

    def _take(
        self, rule: Rule, origin: Origin, stream: Stream, line: Line, now: float
    ) -> list[Line]:
        if line.system:  # a gap: what comes behind it does not go on with what was before
            return [*self.settle(origin), line]
        whole: list[Line] = []
        group = self._groups.get(stream)
        if group and (line.extra or line.fields != group.fields or group.origin != origin):
            whole, group = self._close(stream), None
        if group:
            goes, trace = rule.further(group.trace, line.text, len(group.lines))
            if goes is not Goes.NOT:
                return self._grow(group, goes, trace, line, now)
            whole = self._close(stream)
        begun = None if line.extra else rule.begins(line.text)
        if begun is None:
            return [*whole, line]
        group = self._groups[stream] = _Group(origin, line.fields, begun, now, now)
        return whole + self._grow(group, Goes.ON, begun, line, now)

    def _grow(self, group: _Group, goes: Goes, trace: Trace, line: Line, now: float) -> list[Line]:
        before = group.size
        if goes is Goes.MAYBE:
            group.doubt(line, now)
        else:
            group.trace = trace
            group.add(line, now)
        self._size += group.size - before
        if not group.is_full:
            return []
        self.cut += 1
        return self._part(group, now)

    def _part(self, group: _Group, now: float) -> list[Line]:
        """What a group has; what comes may go on with it."""
        self._size -= group.size
        self.joined += max(0, len(group.lines) - 1)
        group.begun = now
        return group.take()

    def _close(self, stream: Stream) -> list[Line]:
        return self._part(self._groups.pop(stream), 0.0)

    def settle(self, origin: Origin) -> list[Line]:
        """What an origin has: no more comes for now."""
        name = origin.container_id or origin.key
        return [
            line
            for stderr in (False, True)
            if (name, stderr) in self._groups
            for line in self._close((name, stderr))
        ]

    def due(self) -> float:
        """When the next group must go, by the clock; infinite where there is none."""
        return min(map(_due, self._groups.values()), default=float("inf"))

    def release(self, *, everything: bool = False) -> Iterator[tuple[Origin, list[Line]]]:
        """The lines of groups that are due, or of all."""
        now = self._clock()
        for stream, group in list(self._groups.items()):
            if everything or now >= group.touched + QUIET:
                yield group.origin, self._close(stream)
            elif now >= _due(group):
                yield group.origin, self._part(group, now)

    def held(self, whose: Whose) -> int:
        """The first row of some origins that is held back; 0 where none is."""
        groups = (group for group in self._groups.values() if whose(group.origin))
        return min((group.first for group in groups if group.first), default=0)


def _due(group: _Group) -> float:
    return min(group.touched + QUIET, group.begun + LONGEST)


def _first_row(line: Line) -> int:
    return line.first or line.seq


def _needs_a_look(lines: list[Line]) -> bool:
    """Whether any of these may belong together, or the last of a stream with what comes."""
    if not lines:
        return False
    if len(lines) > 1:
        texts = [line.text for line in lines]
        if min(texts) < _BELOW_TEXT:
            return True
        text = "\n".join(texts)
        if "'" in text and _PANIC in text:
            return True
        streams = [line.stderr for line in lines]
        last = streams[-1]
        if (not last) in streams:
            other = next(line for line in reversed(lines) if line.stderr is not last)
            if begins(other.text):
                return True
    return begins(lines[-1].text) is not None
