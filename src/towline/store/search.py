"""Running a query over the files. Blocking: for a thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from towline.pipeline.encode import Decoder
from towline.record import RANK, Record
from towline.store.query import Bucket, Filter, Query
from towline.store.segment import Segment, offset_of

Admits = Callable[[bytes], bool]


def find(segments: list[Segment], query: Query, decode: Decoder) -> Iterator[Record]:
    """Records of the segments that a query asks for, in its order; damaged rows are passed over."""
    wanted = Filter(query)
    worth = _prefilter(query)
    ordered = reversed(segments) if query.newest_first else iter(segments)
    for segment in ordered:
        damaged = 0
        rows = segment.lines()
        for row in reversed(list(rows)) if query.newest_first else rows:
            try:
                if not worth(row):
                    continue
                record = decode(row)
            except ValueError:
                damaged += bool(row)
                continue
            if wanted(record):
                yield record
        segment.passed_over(damaged)


def may_hold(segment: Segment, query: Query) -> bool:
    """Whether a file's facts leave it possible that it holds what is asked for."""
    facts = segment.facts
    if query.after is not None and facts.last <= query.after:
        return False
    if query.before is not None and segment.first >= query.before:
        return False
    if query.since is not None and facts.newest < query.since:
        return False
    if query.until is not None and facts.oldest >= query.until:
        return False
    match = query.match
    if match.level and not facts.levels & set(match.level):
        return False
    least = RANK[match.min_level] if match.min_level else 0
    return any(RANK[level] >= least for level in facts.levels)


def _prefilter(query: Query) -> Admits:
    """A test of a row's bytes that is much cheaper than decoding and never wrong about a hit."""
    tests: list[Admits] = []
    text = msgspec.json.encode(query.text)[1:-1]
    # JSON may write a character in more than one way: only plain text can be looked for in bytes
    if text.decode() == query.text and query.text.isascii() and text:
        if query.text == query.text.lower():
            tests.append(lambda row: text in row.lower())
        else:
            tests.append(lambda row: text in row)
    if query.match.level:
        marks = [b'"level":"%b"' % level.encode() for level in query.match.level]
        tests.append(lambda row: any(mark in row for mark in marks))
    if query.after is not None:
        after = query.after
        tests.append(lambda row: offset_of(row) > after)
    if query.before is not None:
        before = query.before
        tests.append(lambda row: offset_of(row) < before)
    return lambda row: all(test(row) for test in tests)


class Tally:
    """A histogram being counted."""

    def __init__(self, width_ms: int) -> None:
        self._width = width_ms
        self._counts: dict[int, Counter[str]] = {}

    def add(self, record: Record) -> None:
        """Count one record in."""
        start = record.timestamp // self._width * self._width
        self._counts.setdefault(start, Counter())[record.level] += 1

    def add_all(self, records: Iterator[Record]) -> list[Record]:
        """Count records in and keep none of them."""
        for record in records:
            self.add(record)
        return []

    def buckets(self) -> list[Bucket]:
        """The buckets that hold something, oldest first."""
        return [Bucket(start, dict(self._counts[start])) for start in sorted(self._counts)]
