"""Lines that nobody wants are taken out before they are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from towline.config.settings import Match
from towline.pipeline.match import Verdict, compile_match
from towline.record import Line, Origin, Record

MOST_ORIGINS: Final = 4096
"""Origins whose verdicts are kept; more are made again when needed."""

_NO_FIELDS: Final = b"{}"


def seen(origin: Origin, line: Line) -> Record:
    """A refined line as a match sees it: what has no offset yet."""
    json = f'{{"fields":{line.fields}}}'.encode(errors="replace") if line.fields else _NO_FIELDS
    return Record(0, origin, line.timestamp, line.level, line.stderr, line.seq, line.text, json)


class Verdicts:
    """What each of some matches says of an origin, asked once per origin."""

    def __init__(self, matches: Iterable[Match]) -> None:
        self._matchers = [compile_match(match) for match in matches]
        self._known: dict[Origin, list[Verdict]] = {}

    def of(self, origin: Origin) -> list[Verdict]:
        """One for each match."""
        found = self._known.get(origin)
        if found is None:
            if len(self._known) >= MOST_ORIGINS:
                self._known.clear()
            found = self._known[origin] = [matcher.of(origin) for matcher in self._matchers]
        return found


class Drop:
    """Takes out lines that one of its matches holds for, and counts them in `dropped`."""

    def __init__(self, matches: Iterable[Match]) -> None:
        self._verdicts = Verdicts(matches)
        self.dropped = 0

    def __call__(self, origin: Origin, lines: list[Line]) -> list[Line]:
        """Those that stay."""
        verdicts = [verdict for verdict in self._verdicts.of(origin) if verdict is not False]
        if not verdicts:
            return lines
        tests = [verdict for verdict in verdicts if callable(verdict)]
        left = [] if len(tests) < len(verdicts) else _left(origin, lines, tests)
        self.dropped += len(lines) - len(left)
        return left


def _left(origin: Origin, lines: list[Line], tests: list[Callable[[Record], bool]]) -> list[Line]:
    left = []
    for line in lines:
        record = seen(origin, line)
        if not any(test(record) for test in tests):
            left.append(line)
    return left
