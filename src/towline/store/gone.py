"""What the store took and no longer holds."""

from __future__ import annotations

from typing import Final

MOST: Final = 1000
"""Ranges kept apart; beyond that the oldest are taken as one."""


class Gone:
    """Ranges of offsets and how many records were in each, of this run.

    The offsets of one run have no holes, so whatever part of such a range a reader missed is
    counted exactly; a range that reaches over runs is exact only as a whole.
    """

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int, int]] = []

    def add(self, first: int, end: int, count: int) -> None:
        """`count` records from offset `first` to before `end` are gone."""
        ranges = self._ranges
        if ranges and ranges[-1][1] == first and _dense(*ranges[-1]) and count == end - first:
            first = ranges.pop()[0]
            count = end - first
        ranges.append((first, end, count))
        ranges.sort()
        if len(ranges) > MOST:
            one, other = ranges.pop(0), ranges.pop(0)
            ranges.insert(0, (one[0], max(one[1], other[1]), one[2] + other[2]))

    def between(self, offset: int, end: int) -> int:
        """How many records are gone from `offset` to before `end`."""
        return sum(
            min(count, min(end, last) - max(offset, first))
            for first, last, count in self._ranges
            if first < end and last > offset
        )


def _dense(first: int, end: int, count: int) -> bool:
    return count == end - first
