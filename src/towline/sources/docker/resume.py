"""What the store already has of a container, and where new rows begin behind it. Pure.

The store's own last record says that rows up to N are stored; a checkpoint names a row M <= N.
Rows after M are taken again, but lines up to N are not handed on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from towline.sources.docker.frames import HEADER, STDERR, TIME
from towline.store.tails import Tail

_NEWLINE: Final = 10
PASSED: Final = 1.0
"""Seconds behind the last record's time after which its row is not looked for any more: the two
streams of a container are stamped apart, rows go back by some milliseconds (FAULTS 0.4)."""


class Behind(Protocol):
    """Divides rows into those that the store has and those that are new."""

    @property
    def done(self) -> bool:
        """Whether all that follows is new."""

    @property
    def found(self) -> bool:
        """Once done: whether the row of the store's last record went by."""

    def feed(self, rows: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """The stored ones and the new ones of these and of those held back."""

    def rest(self) -> list[bytes]:
        """The read has ended: what was held back is new."""

    def stored(self, number: int, row: bytes) -> bool:
        """Whether the text of an old row is in the store.

        Else it began a line that was open, or a step held it back or dropped it.
        """

    def tells(self, stderr: bool) -> bool:
        """Whether what `stored` says of a stream is sure: what it denies is handed on then."""


class Counted:
    """By number: the read joined on to the checkpoint, rows up to N are known."""

    def __init__(self, tail: Tail, seq: int) -> None:
        self._tail = tail
        self._left = tail.seq - seq
        self.found = True

    @property
    def done(self) -> bool:
        """Whether row N has gone by."""
        return self._left <= 0

    def feed(self, rows: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Rows up to N, and the others."""
        old, new = rows[: self._left], rows[self._left :]
        self._left -= len(old)
        if self.done and old and not _fits(self._tail, old[-1]):
            self.found = False
        return old, new

    def rest(self) -> list[bytes]:
        """Nothing is held back."""
        return []

    def stored(self, number: int, row: bytes) -> bool:
        """Of each stream, the rows up to its last record's are stored."""
        return number <= self._tail.streams[stream_of(row)]

    def tells(self, stderr: bool) -> bool:
        """Numbers are sure."""
        return True


class Sought:
    """By the last record's own time and stream: the read did not join on, numbers tell nothing.

    Rows that are younger than the record are held back until its row has gone by (they were before
    it in the log, then) or until they are too much younger for that. `from_birth`: the tail tells
    of all that was ever stored of the container.
    """

    def __init__(self, tail: Tail, *, from_birth: bool = False) -> None:
        self._tail = tail
        self._from_birth = from_birth
        self._time = tail.time.encode()
        self._too_young = _later(tail.time).encode()
        self._held: list[bytes] = []
        self.done = not tail.time
        self.found = False

    def feed(self, rows: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """All up to the record's row and the others; or what is too old and what is too young."""
        old: list[bytes] = []
        held = self._held
        for index, row in enumerate(rows):
            time = row[HEADER : HEADER + TIME]
            if time == self._time and stream_of(row) == self._tail.stderr:
                self.found = True
                if row[-1] == _NEWLINE:  # else a part: the others have the same time
                    self.done, self._held = True, []
                    return [*old, *held, row], rows[index + 1 :]
            if time > self._too_young:
                self.done = True
                return old, self.rest() + rows[index:]
            if held or time > self._time:
                held.append(row)
            else:
                old.append(row)
        return old, []

    def restart(self) -> None:
        """Forget what is held back: it is read again."""
        self._held = []

    def rest(self) -> list[bytes]:
        """What is held back, the read having ended without the record's row."""
        held, self._held = self._held, []
        self.done = True
        return held

    def stored(self, number: int, row: bytes) -> bool:
        """The record's own stream is stored up to it, the other one up to its own last record."""
        stderr = stream_of(row)
        if stderr == self._tail.stderr:
            return True
        return row[HEADER : HEADER + TIME] <= self._tail.times[stderr].encode()

    def tells(self, stderr: bool) -> bool:
        """The other stream's last record must be known, or that there is none."""
        return self._from_birth or self._tail.times[stderr] != ""


def stream_of(row: bytes) -> bool:
    """Whether a row is of standard error."""
    return row[0] == STDERR


def _fits(tail: Tail, row: bytes) -> bool:
    """Whether row N can be the one of the store's last record; where that ended before, it may."""
    if not tail.time or tail.streams[tail.stderr] != tail.seq:
        return True
    return row[HEADER : HEADER + TIME] == tail.time.encode() and stream_of(row) == tail.stderr


def _later(time: str) -> str:
    """A time some seconds on, rounded down to microseconds."""
    if not time:
        return ""
    moment = datetime.fromisoformat(time[:26]).replace(tzinfo=UTC) + timedelta(seconds=PASSED)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
