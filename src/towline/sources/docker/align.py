"""Where reading goes on: the last rows taken, found again in what Docker gives. Pure.

Neither time alone nor a set of rows is exact: times run backwards, many rows share one, lines
repeat. A run of up to 512 rows is.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol
from zlib import crc32

from towline.sources.docker.frames import HEADER, TIME

DEPTH: Final = 512
"""Rows of context that must be the same."""

HELD: Final = 1 << 20
"""Bytes that are read before a gate that holds back gives up."""

NOTED: Final = DEPTH + 128
"""Rows of a batch that are noted: with those that may be open or held back at its end."""

_KEPT: Final = 2 * DEPTH
_MOST: Final = 4 * DEPTH
_GROUP: Final = 64
_TIME_END: Final = HEADER + TIME


class Run:
    """How many of the last rows may be parts of one line each: of a stream, all of one time.

    Such parts may be the same, and the two streams write between each other's. So the rows at the
    end are counted up to the last one that has another time than those of its stream behind it.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._before = 0
        self._streams: dict[int, tuple[bytes, int]] = {}

    def __len__(self) -> int:
        return self._rows - self._before

    def add(self, row: bytes) -> None:
        """One row more."""
        stream, time = row[0], row[HEADER:_TIME_END]
        until = self._streams.get(stream)
        if until is not None and until[0] != time:
            self._before = max(self._before, until[1])
        self._rows += 1
        self._streams[stream] = time, self._rows


class Trail:
    """Fingerprints and times of the last rows taken of one container."""

    def __init__(self, rows: Iterable[int] = (), since: str = "") -> None:
        self._rows = array("I", rows)
        self._times: deque[tuple[int, bytes]] = deque()
        self._held = 0
        self._run = Run()
        if self._rows:
            self._note(len(self._rows), since.encode())

    def __bool__(self) -> bool:
        return bool(self._rows)

    def __contains__(self, row: bytes) -> bool:
        return crc32(row) in self._rows

    @property
    def run(self) -> int:
        """How many rows at its end may be parts of one line each; 0 where that is not known."""
        return len(self._run)

    def extend(self, rows: list[bytes]) -> None:
        """Take rows."""
        if not rows:
            return
        begin = _run_begins(rows)
        if begin:
            self._run = Run()
        for row in rows[begin:]:
            self._run.add(row)
        newest = rows[-NOTED:]
        if len(rows) > NOTED:
            self.skip()
        self._rows.extend(map(crc32, newest))
        if len(self._rows) > _MOST:
            del self._rows[:-_KEPT]
        self._note(len(newest), min([row[HEADER:_TIME_END] for row in newest]))

    def skip(self) -> None:
        """Rows go by that are not noted: those before them are no context of those behind."""
        del self._rows[:]

    def _note(self, count: int, time: bytes) -> None:
        """Keep the earliest time of groups of rows: enough to ask from, and small."""
        times = self._times
        if times and times[-1][0] < _GROUP:
            before, earliest = times.pop()
            times.append((before + count, min(earliest, time)))
        else:
            times.append((count, time))
        self._held += count
        while self._held - times[0][0] >= _MOST:
            self._held -= times.popleft()[0]

    def rows(self, *, back: int = 0) -> tuple[int, ...]:
        """Up to 512 fingerprints, oldest first; of the rows until `back` rows ago."""
        end = max(0, len(self._rows) - back)
        return tuple(self._rows[max(0, end - DEPTH) : end])

    def until(self, row: int) -> tuple[int, ...]:
        """The fingerprints up to the last one that is `row`."""
        rows = self.rows()
        return rows[: len(rows) - rows[::-1].index(row)]

    def since(self) -> str:
        """The earliest time among the rows (RFC 3339), or an empty text."""
        return min((time for _, time in self._times), default=b"").decode("ascii", "replace")


class Gate(Protocol):
    """Lets through the rows of a read that are to be taken."""

    def feed(self, rows: list[bytes]) -> list[bytes]:
        """Those of these rows."""


class Everything:
    """Lets every row through."""

    def feed(self, rows: list[bytes]) -> list[bytes]:
        """All of them."""
        return rows


class Holding:
    """Holds back what another gate lets through, as long as that is not too much.

    `rows` counts what went by, `first` and `last` are the ends of it.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._size = 0
        self.rows = 0
        self.first = self.last = b""
        self.held: list[bytes] = []

    def feed(self, rows: list[bytes]) -> list[bytes]:
        """Nothing; or everything, once it is too much."""
        if rows:
            self.first = self.first or rows[0]
            self.last = rows[-1]
        self.rows += len(rows)
        self.held += self._gate.feed(rows)
        self._size += sum(map(len, rows))
        if self._size <= HELD:
            return []
        held, self.held = self.held, []
        return held


class Aligner:
    """Lets rows through once the rows taken last have gone by.

    The first place where the whole context agrees counts. At the top of a read that does not begin
    where the log begins (`cut`) there is less context, and the parts of one line prove nothing:
    they may repeat. `run` is how many such rows the context ends with, all of them counted
    (0 where that is not known): where nothing else is seen, their number tells the place.

    `rows` counts what went by, `newest` was among it when `met`, and `overlap` is the last row that
    went by and is known, for when the log has lost its own end.
    """

    def __init__(
        self, context: Sequence[int], *, run: int = 0, cut: bool = False, newest: int | None = None
    ) -> None:
        self._wanted = tuple(context)
        self._run = run
        self._cut = cut
        self._newest = newest
        self._known = frozenset(context)
        self._seen: deque[int] = deque(maxlen=max(1, len(self._wanted)))
        self._run_seen = Run()
        self.aligned = not self._wanted
        self.met = False
        self.overlap: int | None = None
        self.rows = 0

    def feed(self, rows: list[bytes]) -> list[bytes]:
        """The rows that come after the context."""
        if self.aligned:
            return rows
        last, known, seen = self._wanted[-1], self._known, self._seen
        for index, row in enumerate(rows):
            fingerprint = crc32(row)
            self.rows += 1
            if fingerprint == self._newest:
                self.met = True
            self._run_seen.add(row)
            seen.append(fingerprint)
            if fingerprint in known:
                self.overlap = fingerprint
                if fingerprint == last and self._agrees():
                    self.aligned = True
                    return rows[index + 1 :]
        return []

    def _agrees(self) -> bool:
        seen = tuple(self._seen)
        if seen != self._wanted[-len(seen) :]:
            return False
        run = len(self._run_seen)
        one_line = run == self.rows
        if one_line and self._cut:
            return self._run < len(self._wanted) == len(seen)
        if one_line or self._run >= len(self._wanted):
            return self._run in (0, run)
        return True


def _run_begins(rows: list[bytes]) -> int:
    """The first of the rows at the end that may be parts of one line each."""
    times: dict[int, bytes] = {}
    for index in range(len(rows) - 1, -1, -1):
        row = rows[index]
        time = row[HEADER:_TIME_END]
        if times.setdefault(row[0], time) != time:
            return index + 1
    return 0
