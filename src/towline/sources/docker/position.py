"""How far one container has been read, and how reading goes on after a restart. Pure.

The store's own last record says that rows up to N are stored; a checkpoint names row M <= N by its
fingerprints. Rows after M are taken again, but lines up to N are not handed on: parts of a line
that was open when Towline died are joined as if it had not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Final

from towline.record import Line, time_text
from towline.sources.docker.align import DEPTH, NOTED, Trail
from towline.sources.docker.jsonrows import Entry, rows_of
from towline.sources.docker.lines import Lines
from towline.sources.docker.resume import Behind, Counted, Sought
from towline.sources.docker.times import since_text
from towline.store.checkpoints import Checkpoint
from towline.store.tails import Tail

STREAMS: Final = 2
"""Those of a container."""


class Position:
    """The last rows taken of a container, their count, and the lines being joined.

    `first_since` is where the very first read began (`sec.nanoseconds`), empty for the beginning.
    """

    def __init__(
        self,
        engine: str,
        container: str,
        *,
        terminal: bool,
        first_since: str = "",
        checkpoint: Checkpoint | None = None,
        tail: Tail | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.engine = engine
        self.container = container
        self.terminal = terminal
        self._clock = clock
        seq = checkpoint.seq if checkpoint else 0
        self.lines = Lines(seq=seq, terminal=terminal, clock=clock)
        rows = checkpoint.rows if checkpoint else ()
        self.trail = Trail(rows, checkpoint.since if checkpoint else "")
        self.first_since = checkpoint.since if checkpoint and not rows else first_since
        self.saved_seq = seq
        self.gaps = 0
        self._tail = tail if tail and tail.seq > seq else None
        self._behind: Behind | None = Counted(self._tail, seq) if self._tail else None

    @property
    def seq(self) -> int:
        """The count of the last row taken."""
        return self.lines.seq

    @property
    def resuming(self) -> bool:
        """Whether rows are still being taken that the store already has."""
        return self._behind is not None

    def since(self) -> str:
        """A second before the last rows taken, as the API wants it; empty where they tell none."""
        try:
            return since_text(self.trail.since(), back=1)
        except ValueError:
            return ""

    def begins_at(self) -> str:
        """Where the very first read begins, as a time in a log; empty for the beginning."""
        if not self.first_since:
            return ""
        seconds, fraction = _moment(self.first_since)
        return time_text(seconds * 1_000_000_000 + fraction)

    def is_too_old(self, row: bytes) -> bool:
        """Whether a row is older than where the very first read began."""
        if not self.first_since:
            return False
        try:
            found = since_text(row[8:38].decode("ascii"))
        except ValueError:
            return False
        return _moment(found) < _moment(self.first_since)

    def seek(self) -> bool:
        """The next read does not join on to the rows taken last: find the store's last record.

        False when that is not possible: whoever reads says the gap, else this does where needed.
        """
        if self._behind is None or self._tail is None or not self._tail.time:
            return False
        self._behind = Sought(self._tail, from_birth=not self.saved_seq)
        return True

    def begin(self) -> None:
        """A read begins: what an earlier one held back comes again."""
        if isinstance(self._behind, Sought):
            self._behind.restart()

    def take(self, rows: list[bytes]) -> list[Line]:
        """Take rows; return the lines that are new."""
        if self._behind is None:
            lines = self.lines.feed(rows)
            self.trail.extend(rows)
            return lines
        behind = self._behind
        old, new = behind.feed(rows)
        late = self._pass(behind, old)
        return late + self._arrive(behind, new) if behind.done else late

    def take_entries(self, entries: Sequence[Entry]) -> list[Line]:
        """The same for rows that came decoded; only those of the context are made bytes."""
        if self._behind is not None:
            return self.take(rows_of(entries, self.terminal))
        lines = self.lines.take(entries)
        context = NOTED
        while context < len(entries) and len({each.time for each in entries[-context:]}) <= STREAMS:
            context += NOTED  # parts of a line of each stream: how many tells where in it this is
        if context < len(entries):
            self.trail.skip()
        self.trail.extend(rows_of(entries[-context:], self.terminal))
        return lines

    def settle(self) -> list[Line]:
        """A read has come to its end: whatever it held back is new."""
        if not isinstance(self._behind, Sought):
            return []
        return self._arrive(self._behind, self._behind.rest())

    def _pass(self, behind: Behind, rows: list[bytes]) -> list[Line]:
        """Take rows of which the store has the lines; return the lines of those that it has not.

        A step held them back when Towline died, or dropped them. What they begin may be open still.
        """
        self.trail.extend(rows)
        late: list[Line] = []
        for row in rows:
            if behind.stored(self.seq + 1, row):
                self.lines.seq += 1
            else:
                late += self.lines.feed([row])
        return [line for line in late if behind.tells(line.stderr)]

    def _arrive(self, behind: Behind, rows: list[bytes]) -> list[Line]:
        """From here on all is new."""
        assert self._tail is not None
        self.lines.seq = max(self.seq, self._tail.seq)
        self._behind = self._tail = None
        if behind.found:
            return self.take(rows)
        lost = "the store's last line is not in Docker's log; lines may miss or repeat"
        return [self.gap(lost), *self.take(rows)]

    def checkpoint(self, held: int = 0) -> Checkpoint | None:
        """Where this stands; None while what the store has is taken again.

        While a line is open, the row before its first: so its parts are read again. So it is with
        lines that a step holds back, the first of them at row `held`.
        """
        if self.resuming:
            return None
        first = min(self.lines.begun(False), self.lines.begun(True))
        seq = (min(first, held) if held else first) - 1
        back = self.seq - seq
        rows = self.trail.rows(back=back)
        if (seq and not rows) or (back and len(rows) < min(seq, DEPTH)):
            return None  # too few are known to be found again for sure
        since = self.trail.since() if rows else self.first_since
        return Checkpoint(
            engine=self.engine, container=self.container, seq=seq, since=since, rows=rows
        )

    def tail(self) -> Tail | None:
        """What the store has by now, for the next reader; None while that is as it was."""
        if self.resuming:
            return None
        return Tail(self.seq, (self.lines.begun(False) - 1, self.lines.begun(True) - 1))

    def gap(self, reason: str, *, lost: int = 1, exact: bool = False) -> Line:
        """A line that says that lines were lost before Towline saw them."""
        self.gaps += 1
        now = self._clock()
        count = f"{lost}" if exact else f"at least {lost}"
        detail = json.dumps({"reason": reason, "lost": lost, "exact": exact})
        return Line(
            f"lines lost before Towline saw them ({count}): {reason}",
            time_text(now),
            now // 1_000_000,
            seq=max(self.seq, self._tail.seq if self._tail else 0),
            level="warn",
            extra=f',"gap":{detail}',
            system=True,
        )


def _moment(since: str) -> tuple[int, int]:
    seconds, _, fraction = since.partition(".")
    return int(seconds), int(fraction or 0)
