"""Where reading goes on: the last rows taken, found again in what Docker gives. Pure.

Neither time alone nor a set of rows is exact: times run backwards, many rows share one, lines
repeat. A run of up to 512 rows is.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterable
from typing import Final
from zlib import crc32

from towline.sources.docker.frames import HEADER, TIME

DEPTH: Final = 512
"""Rows of context that must be the same."""

_SLACK: Final = 4 * DEPTH
_GROUP: Final = 64


class Trail:
    """Fingerprints and times of the last rows taken of one container."""

    def __init__(self, rows: Iterable[int] = (), since: str = "") -> None:
        self._rows = array("I", rows)
        self._times: deque[tuple[int, bytes]] = deque()
        self._held = 0
        if self._rows:
            self._note(len(self._rows), since.encode())

    def __bool__(self) -> bool:
        return bool(self._rows)

    def extend(self, rows: list[bytes]) -> None:
        """Take rows."""
        if not rows:
            return
        newest = rows[-DEPTH:]
        self._rows.extend(map(crc32, newest))
        if len(self._rows) > _SLACK:
            del self._rows[:-DEPTH]
        self._note(len(newest), min([row[HEADER : HEADER + TIME] for row in newest]))

    def _note(self, count: int, time: bytes) -> None:
        """Keep the earliest time of groups of rows: enough to ask from, and small."""
        times = self._times
        if times and times[-1][0] < _GROUP:
            before, earliest = times.pop()
            times.append((before + count, min(earliest, time)))
        else:
            times.append((count, time))
        self._held += count
        while self._held - times[0][0] >= DEPTH:
            self._held -= times.popleft()[0]

    def rows(self) -> tuple[int, ...]:
        """Up to 512 fingerprints, oldest first."""
        return tuple(self._rows[-DEPTH:])

    def since(self) -> str:
        """The earliest time among the rows (RFC 3339), or an empty text."""
        return min((time for _, time in self._times), default=b"").decode()

    def counts(self) -> Counter[int]:
        """The fingerprints as a multiset, for when no alignment is possible."""
        return Counter(self.rows())


class Aligner:
    """Lets rows through once the trail has gone by.

    The first place where the whole context agrees counts. Where the context is one line's equal
    parts over and over, an earlier place repeats rows, a later one would lose some.
    """

    def __init__(self, trail: Trail) -> None:
        self._wanted = trail.rows()
        self._seen: deque[int] = deque(maxlen=max(1, len(self._wanted)))
        self.aligned = not self._wanted
        self.rows = 0

    def feed(self, rows: list[bytes]) -> list[bytes]:
        """The rows that come after the trail."""
        if self.aligned:
            return rows
        last = self._wanted[-1]
        for index, row in enumerate(rows):
            fingerprint = crc32(row)
            self._seen.append(fingerprint)
            self.rows += 1
            if fingerprint == last and self._agrees():
                self.aligned = True
                return rows[index + 1 :]
        return []

    def _agrees(self) -> bool:
        seen = tuple(self._seen)
        return seen == self._wanted[-len(seen) :]


class Remainder:
    """When the trail is gone: every row but those taken already, each as often as it was taken."""

    def __init__(self, trail: Trail) -> None:
        self._taken = trail.counts()

    def feed(self, rows: list[bytes]) -> list[bytes]:
        """The rows that were not taken before."""
        taken = self._taken
        if not taken:
            return rows
        fresh: list[bytes] = []
        for row in rows:
            fingerprint = crc32(row)
            if taken.get(fingerprint):
                taken[fingerprint] -= 1
            else:
                fresh.append(row)
        return fresh
