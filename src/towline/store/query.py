"""What can be asked of the store, and the filter that a query compiles to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from towline.config.settings import Match
from towline.pipeline.match import Streamed, Test, Verdict, compile_match
from towline.record import Origin, Record

ANYTHING: Final = Match()
"""The match that every record fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Records to find. Every given condition must hold.

    `since` (inclusive) and `until` (exclusive) are milliseconds; `after` and `before` are offsets,
    both exclusive. `text` must occur in the message and `without` must not; a text in lower case
    is found in any case, one with a capital exactly.
    """

    match: Match = ANYTHING
    text: str = ""
    without: str = ""
    since: int | None = None
    until: int | None = None
    after: int | None = None
    before: int | None = None
    service_id: tuple[int, ...] = ()
    container_id: tuple[str, ...] = ()
    source_type: tuple[str, ...] = ()
    limit: int = 100
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Records in the order asked for, and the offset to go on from (None at the end).

    `partial` says that the time was up before as many were found as were asked for.
    """

    records: list[Record]
    next: int | None
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many records of each level there are from `start_ms` on."""

    start_ms: int
    counts: dict[str, int]


def contains(text: str) -> Callable[[str], bool]:
    """Whether a message contains `text`; in any case where `text` is all lower case."""
    if text == text.lower():
        return lambda message: text in message.lower()
    return lambda message: text in message


class Filter:
    """A compiled query, without its limit. What an origin decides is decided once per origin."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._matcher = compile_match(query.match)
        self._verdicts: dict[int, tuple[Origin, bool | Test]] = {}
        self._tests: list[Test] = []
        if query.text:
            has = contains(query.text)
            self._tests.append(lambda record: has(record.message))
        if query.without:
            has_not = contains(query.without)
            self._tests.append(lambda record: not has_not(record.message))
        if query.since is not None:
            since = query.since
            self._tests.append(lambda record: record.timestamp >= since)
        if query.until is not None:
            until = query.until
            self._tests.append(lambda record: record.timestamp < until)
        if query.after is not None:
            after = query.after
            self._tests.append(lambda record: record.offset > after)
        if query.before is not None:
            before = query.before
            self._tests.append(lambda record: record.offset < before)

    def __call__(self, record: Record) -> bool:
        """Whether the record is asked for."""
        verdict = self._verdict(record.origin)
        if verdict is False or (verdict is not True and not verdict(record)):
            return False
        return all(test(record) for test in self._tests)

    def of(self, origin: Origin, kind: Streamed) -> Verdict:
        """True or False where all records of an origin's level and stream are decided alike.

        Times, offsets and texts are not looked at: `plain` says that there are no texts.
        """
        return self._matcher.of(origin, kind) if self._admits(origin) else False

    @property
    def plain(self) -> bool:
        """Whether no text is looked for, but by the match."""
        return not (self._query.text or self._query.without)

    def _verdict(self, origin: Origin) -> bool | Test:
        # keyed by identity: hashing an origin costs more than the whole test of a record;
        # the origin is kept beside its verdict, so that its identity cannot be given to another
        known = self._verdicts.get(id(origin))
        if known is None:
            if len(self._verdicts) >= 4096:
                self._verdicts.clear()
            verdict = self._matcher.of(origin) if self._admits(origin) else False
            known = self._verdicts[id(origin)] = (origin, verdict)
        return known[1]

    def _admits(self, origin: Origin) -> bool:
        query = self._query
        if query.service_id and origin.service_id not in query.service_id:
            return False
        if query.source_type and origin.type not in query.source_type:
            return False
        wanted = query.container_id
        found = origin.container_id or ""
        # like Docker, a container may be named by the first characters of its id
        return not wanted or any(
            found == text or (len(text) >= 12 and found.startswith(text)) for text in wanted
        )
