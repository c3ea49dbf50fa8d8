"""How many records the store ever took between two offsets, kept over restarts.

Whoever reads from one offset to another and is handed fewer records than that has missed the rest,
whatever took them: retention, a person, damage.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from towline.store.segment import Segment

MOST: Final = 1000
"""Ranges kept apart; beyond that the oldest are taken as one."""

Range = tuple[int, int, int]
"""First offset, end, and how many records there were in between."""


class Taken:
    """The offsets of earlier runs, as ranges, and those of the present run, from `began` on.

    The offsets of one run have no holes, so any part of its range is counted to the record; a range
    that reaches over runs is exact only as a whole.
    """

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._ranges: list[Range] = []
        self._began: int | None = None
        self._surely = 0
        for found in ranges:
            self.add(*found)

    def begin(self, offset: int) -> None:
        """A run begins."""
        self._began = self._surely = offset

    def reach(self, end: int) -> None:
        """Records before `end` were written: count them though nothing of them is left."""
        self._surely = max(self._surely, end)

    def finish(self, end: int) -> None:
        """The run has ended; what is in no file at or after `end` was never taken."""
        if self._began is not None:
            self.add(self._began, end, end - self._began)
            self._began = None

    def add(self, first: int, end: int, count: int) -> None:
        """`count` records were taken from offset `first` to before `end`."""
        if end <= first:
            return
        ranges = self._ranges
        if ranges and ranges[-1][1] == first and _dense(*ranges[-1]) and count == end - first:
            first = ranges.pop()[0]
            count = end - first
        ranges.append((first, end, count))
        ranges.sort()
        if len(ranges) > MOST:
            one, other = ranges.pop(0), ranges.pop(0)
            ranges.insert(0, (one[0], max(one[1], other[1]), one[2] + other[2]))

    def recover(self, surely: int, began: int | None, segments: Iterable[Segment]) -> None:
        """What an earlier run wrote and could not put on record, by its files."""
        end = max((last for _, last, _ in self._ranges), default=0)
        for segment in segments:
            first, last = max(segment.first, end), segment.facts.last + 1
            if began is not None and last > began:
                surely = max(surely, last)
            elif last > end:
                self.add(first, last, min(segment.facts.count, last - first))
        if began is not None:
            self.add(began, surely, surely - began)

    def between(self, offset: int, end: int) -> int:
        """How many records were taken from `offset` to before `end`."""
        if end <= offset:
            return 0
        if self._began is not None and offset >= self._began:
            return end - offset
        earlier = sum(
            min(count, min(end, last) - max(offset, first))
            for first, last, count in self._ranges
            if first < end and last > offset
        )
        present = 0 if self._began is None else max(0, end - max(offset, self._began))
        return earlier + present

    def as_json(self) -> dict[str, object]:
        """For the file that keeps it."""
        return {"ranges": self._ranges, "began": self._began, "surely": self._surely}


def _dense(first: int, end: int, count: int) -> bool:
    return count == end - first
