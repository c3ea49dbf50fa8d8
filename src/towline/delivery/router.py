"""Which records go to which backend, by the routes of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from towline.config.settings import Route
from towline.pipeline.match import Matcher, Verdict, compile_match
from towline.record import Origin, Record

_ORIGINS: Final = 4096
Way = tuple[Verdict, frozenset[str], bool]
"""A route for one origin: whether it holds, where it leads, whether it is final."""


class Router:
    """Routes, in order: a record goes to every `to` that matches; `final` ends the search.

    Without routes every backend gets every record. What an origin decides is decided once.
    """

    def __init__(self, routes: Sequence[Route] = ()) -> None:
        self._routes: list[tuple[Matcher, frozenset[str], bool]] = []
        self._verdicts: dict[str, dict[int, tuple[Origin, Verdict]]] = {}
        self._ways: dict[int, tuple[Origin, list[Way]]] = {}
        self.replace(routes)

    def replace(self, routes: Sequence[Route]) -> None:
        """Go by other routes from the next record on; `QueryError` leaves the old ones."""
        self._routes = [
            (compile_match(route.match), frozenset(route.to), route.final) for route in routes
        ]
        self._verdicts = {}
        self._ways = {}

    def destinations(self, record: Record, backends: Sequence[str]) -> tuple[str, ...]:
        """Those of the backends to which a record goes; each route is asked once for all."""
        if not self._routes:
            return tuple(backends)
        found: set[str] = set()
        for verdict, to, final in self._ways_of(record.origin):
            if verdict is True or (verdict is not False and verdict(record)):
                found |= to
                if final:
                    break
        return tuple([name for name in backends if name in found])

    def _ways_of(self, origin: Origin) -> list[Way]:
        known = self._ways.get(id(origin))
        if known is None:
            if len(self._ways) >= _ORIGINS:
                self._ways.clear()
            ways = [(matcher.of(origin), to, final) for matcher, to, final in self._routes]
            known = self._ways[id(origin)] = origin, [way for way in ways if way[0] is not False]
        return known[1]

    def wants(self, name: str, record: Record) -> bool:
        """Whether a record goes to a backend."""
        return bool(self.wanted(name, [record]))

    def wanted(self, name: str, records: list[Record]) -> list[Record]:
        """Those of the records that go to a backend."""
        if not self._routes:
            return records
        verdicts = self._verdicts.setdefault(name, {})
        found = []
        origin: Origin | None = None
        verdict: Verdict = False
        for record in records:
            if record.origin is not origin:
                origin = record.origin
                verdict = self._verdict(name, origin, verdicts)
            if verdict is True or (verdict is not False and verdict(record)):
                found.append(record)
        return found

    def _verdict(
        self, name: str, origin: Origin, verdicts: dict[int, tuple[Origin, Verdict]]
    ) -> Verdict:
        # By identity, which is cheap; the origin is kept, so its id cannot be another's.
        known = verdicts.get(id(origin))
        if known is None:
            if len(verdicts) >= _ORIGINS:
                verdicts.clear()
            known = verdicts[id(origin)] = (origin, self._decide(name, origin))
        return known[1]

    def _decide(self, name: str, origin: Origin) -> Verdict:
        steps: list[tuple[Verdict, bool]] = []
        for matcher, to, final in self._routes:
            goes = name in to
            verdict = matcher.of(origin)
            if verdict is False or not (goes or final):
                continue
            steps.append((verdict, goes))
            if verdict is True:
                break
        if not steps or steps[0][0] is True:
            return bool(steps) and steps[0][1]
        return lambda record: _first_match(steps, record)


def _first_match(steps: list[tuple[Verdict, bool]], record: Record) -> bool:
    for verdict, goes in steps:
        if verdict is True or (verdict is not False and verdict(record)):
            return goes
    return False
