"""How far one container has been read, and how reading goes on after a restart. Pure.

The store's own last record says that rows up to N are stored; a checkpoint names row M <= N by its
fingerprints. Rows after M are taken again, but lines up to N are not handed on: parts of a line
that was open when Towline died are joined as if it had not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime

from towline.record import Line, time_text
from towline.sources.docker.align import Trail
from towline.sources.docker.lines import Lines
from towline.store.checkpoints import Checkpoint
from towline.store.recover import Tail

_NEWLINE = 10


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
        self._clock = clock
        seq = checkpoint.seq if checkpoint else 0
        self.lines = Lines(seq=seq, terminal=terminal)
        rows = checkpoint.rows if checkpoint else ()
        self.trail = Trail(rows, checkpoint.since if checkpoint else "")
        self.first_since = checkpoint.since if checkpoint and not rows else first_since
        self._stored = tail.seq if tail and tail.seq > seq else 0
        self._expected = tail if self._stored else None
        self.saved_seq = seq

    @property
    def seq(self) -> int:
        """The count of the last row taken."""
        return self.lines.seq

    @property
    def resuming(self) -> bool:
        """Whether rows are still being taken that the store already has."""
        return self._stored > self.seq

    def since(self) -> str:
        """A second before the last rows taken, as the API wants it: `sec.nanoseconds`."""
        return since_text(self.trail.since(), back=1)

    def take(self, rows: list[bytes]) -> list[Line]:
        """Take rows; return the lines that are new."""
        if not self.resuming:
            lines = self.lines.feed(rows)
            self.trail.extend(rows)
            return lines
        known = self._stored - self.seq
        old = self.lines.feed(rows[:known])
        self.trail.extend(rows[:known])
        if len(rows) < known:
            return []
        if rows[known - 1][-1] != _NEWLINE:
            self.lines.flush()  # row N closed a record without a newline: its parts are stored
        lines = self._verify(old)
        if rows[known:]:
            lines += self.take(rows[known:])
        return lines

    def _verify(self, lines: list[Line]) -> list[Line]:
        """Row N must be the row that the store has last, else the two do not fit together."""
        expected, self._expected = self._expected, None
        found = next((line for line in lines if line.seq == self._stored), None)
        if expected is None or found is None or found.timestamp == expected.timestamp:
            return []
        return [line for line in lines if line.timestamp >= expected.timestamp] + [
            self.gap("the store and Docker's log do not fit together; lines may repeat or miss")
        ]

    def checkpoint(self) -> Checkpoint | None:
        """Where this stands; None while a line is open or what the store has is taken again."""
        if self.lines.pending or self.resuming:
            return None
        return Checkpoint(
            engine=self.engine,
            container=self.container,
            seq=self.seq,
            since=self.trail.since() or self.first_since,
            rows=self.trail.rows(),
        )

    def gap(self, reason: str, *, lost: int = 1, exact: bool = False) -> Line:
        """A line that says that lines were lost before Towline saw them."""
        now = self._clock()
        count = f"{lost}" if exact else f"at least {lost}"
        detail = json.dumps({"reason": reason, "lost": lost, "exact": exact})
        return Line(
            f"lines lost before Towline saw them ({count}): {reason}",
            time_text(now),
            now // 1_000_000,
            seq=self.seq,
            level="warn",
            extra=f',"gap":{detail}',
            system=True,
        )


def since_text(rfc3339: str, *, back: int = 0) -> str:
    """An RFC 3339 time with nanoseconds as the API's `since`, `back` seconds earlier."""
    whole, _, fraction = rfc3339.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp()) - back
    return f"{seconds}.{fraction.ljust(9, '0')[:9]}"
