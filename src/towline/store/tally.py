"""Counting over files without keeping what is counted. Blocking: for a thread."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from functools import partial

import msgspec

from towline.record import Record
from towline.store.facts import Block, Facts
from towline.store.query import Bucket
from towline.store.search import Piece, Plan, texts


class _Timed(msgspec.Struct, gc=False):
    """What a histogram needs of a row."""

    timestamp: int
    level: str


_timed = msgspec.json.Decoder(_Timed).decode


class Tally:
    """A histogram being counted."""

    def __init__(self, width_ms: int) -> None:
        self.width = width_ms
        self._counts: dict[int, Counter[str]] = {}

    def add(self, timestamp: int, level: str, count: int = 1) -> None:
        """Count records in."""
        self._counts.setdefault(timestamp // self.width * self.width, Counter())[level] += count

    def add_all(self, records: Iterable[Record]) -> None:
        """Count records in."""
        for record in records:
            self.add(record.timestamp, record.level)

    def add_held(self, plan: Plan, held: Facts | Block, first: int) -> bool:
        """Count what a file or block holds without reading it, if that can be told."""
        if held.oldest // self.width != held.newest // self.width or not plan.whole(held, first):
            return False
        for kind, count in (held.kinds or {}).items():
            if plan.verdict(kind) is True:
                self.add(held.oldest, kind.level, count)
        return True

    def add_rows(self, text: bytes) -> int:
        """Count all rows of a text in; return how many were damaged."""
        damaged = 0
        for row in text.split(b"\n"):
            try:
                found = _timed(row)
            except ValueError:
                damaged += bool(row)
            else:
                self.add(found.timestamp, found.level)
        return damaged

    def add_wanted(self, plan: Plan, rows: list[bytes]) -> int:
        """Count the rows in that are asked for; return how many were damaged."""
        damaged = 0
        for row in rows:
            try:
                record = plan.decode(row)
            except ValueError:
                damaged += bool(row)
                continue
            if record.offset < plan.edge and plan.wanted(record):
                self.add(record.timestamp, record.level)
        return damaged

    def join(self, other: Tally) -> None:
        """Count all of another one in."""
        for start, counts in other._counts.items():
            self._counts.setdefault(start, Counter()).update(counts)

    def buckets(self) -> list[Bucket]:
        """The buckets that hold something, oldest first."""
        return [Bucket(start, dict(self._counts[start])) for start in sorted(self._counts)]


def count(plan: Plan, piece: Piece, width_ms: int, deadline: float) -> Tally | None:
    """A tally of a piece; None when the time was up."""
    tally = Tally(width_ms)
    damaged = 0
    for block, first, text in texts(plan, piece, partial(tally.add_held, plan)):
        if block is not None and plan.whole(block, first) and plan.all_of(block):
            damaged += tally.add_rows(text)
        else:
            damaged += tally.add_wanted(plan, plan.rows(text, block))
        if plan.stopped or time.monotonic() > deadline:
            return None
    piece.segment.passed_over(damaged)
    return tally
