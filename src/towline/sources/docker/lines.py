"""Rows to lines: times, parts joined per stream, rows counted. Pure."""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import strptime
from typing import Final

from towline.record import Line, time_text
from towline.sources.docker.frames import HEADER, PART, STDERR, TEXT, TIME
from towline.sources.docker.jsonrows import Entry

MAX_LINE: Final = 1 << 20
"""Characters of a joined line; a longer one is handed on in pieces marked `partial`."""

_NEWLINE = 10
_Z, _SPACE = b"Z "
_POINT, _TO_MS = 20, 23
_FRACTION: Final = {f"{ms:03d}": ms for ms in range(1000)}
_BEHIND_TIME = TIME + 1
_PARTIAL = ',"partial":true'


@dataclass(slots=True)
class _Parts:
    """A line being joined: its first and last row, the first one's time, its texts so far.

    `short`: the last part is less than Docker cuts off, so a row of another time does not belong to
    it. A container that ended within a line leaves such a part; so does, behind every long line,
    the driver `local` of Docker 20.10, which forgets the newline.
    """

    first: int
    time: str
    timestamp: int
    last: int = 0
    size: int = 0
    short: bool = False
    texts: list[str] = field(default_factory=list)


class Lines:
    """Turns the rows of one container into lines; `seq` is that of the last row taken.

    A line's `seq` is that of its last row. All parts of a line share one time, that of the first.
    A row without a sound time gets the time of its arrival.
    """

    def __init__(
        self, *, seq: int = 0, terminal: bool = False, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self.seq = seq
        self._terminal = terminal
        self._clock = clock
        self._open: dict[bool, _Parts] = {}
        self._second = ""
        self._ms = 0

    @property
    def pending(self) -> bool:
        """Whether a line has begun whose end is not here yet."""
        return bool(self._open)

    def begun(self, stderr: bool) -> int:
        """The first row of the line that a stream has begun; the next row when it has none."""
        parts = self._open.get(stderr)
        return parts.first if parts else self.seq + 1

    def feed(self, rows: list[bytes]) -> list[Line]:
        """The lines that are whole now."""
        lines: list[Line] = []
        add = lines.append
        seq, second, ms, opened = self.seq, self._second, self._ms, self._open
        moment, timestamp = "", 0
        for row in rows:
            seq += 1
            stderr = row[0] == STDERR
            try:
                if row[37] != _Z or row[38] != _SPACE or not row[31:37].isdigit():
                    raise ValueError("no time")  # noqa: TRY301 - the same remedy as for bad UTF-8
                text = row[HEADER:].decode()
                if text[:_TO_MS] != moment:  # in a burst many rows share one
                    if text[:_POINT] != second:
                        ms = _milliseconds(text[:_POINT])
                        second = text[:_POINT]
                    timestamp = ms + _FRACTION[text[_POINT:_TO_MS]]
                    moment = text[:_TO_MS]
                if row[-1] == _NEWLINE and not opened:
                    add(Line(text[_BEHIND_TIME:-1], text[:TIME], timestamp, stderr, seq))
                    continue
                at, text = text[:TIME], text[_BEHIND_TIME:]
            except (ValueError, IndexError, KeyError):
                text, at, timestamp = self._odd(row)
                moment = ""
            parts = self._open.get(stderr)
            if parts is not None and parts.short and parts.time != at:
                add(self._close(stderr, ""))
            if line := self._join(text, at, timestamp, stderr, seq):
                add(line)
        self.seq, self._second, self._ms = seq, second, ms
        if self._terminal:
            for line in lines:
                line.text = line.text.removesuffix("\r")
        return lines

    def take(self, entries: Sequence[Entry]) -> list[Line]:
        """The same for rows that came decoded, from a json file."""
        lines: list[Line] = []
        add = lines.append
        seq, second, ms, opened = self.seq, self._second, self._ms, self._open
        moment, timestamp = "", 0
        for entry in entries:
            seq += 1
            text, at, stderr = entry.log, entry.time, entry.stream == "stderr"
            if at[:_TO_MS] != moment:
                if at[:_POINT] != second:
                    ms = self._second_of(at)
                    second = at[:_POINT]
                timestamp = ms + int(at[_POINT:_TO_MS])
                moment = at[:_TO_MS]
            if text[-1:] == "\n" and not opened:
                add(Line(text[:-1], at, timestamp, stderr, seq))
                continue
            parts = opened.get(stderr)
            if parts is not None and parts.short and parts.time != at:
                add(self._close(stderr, ""))
            if line := self._join(text, at, timestamp, stderr, seq):
                add(line)
        self.seq, self._second, self._ms = seq, second, ms
        if self._terminal:
            for line in lines:
                line.text = line.text.removesuffix("\r")
        return lines

    def _second_of(self, at: str) -> int:
        try:
            return _milliseconds(at[:_POINT])
        except ValueError:  # digits, but no date
            return self._clock() // 1_000_000_000 * 1000

    def _odd(self, row: bytes) -> tuple[str, str, int]:
        """Text, time and timestamp of a row that is not UTF-8 or has no sound time."""
        with suppress(ValueError, IndexError, KeyError):
            at = row[HEADER : TEXT - 1].decode("ascii")
            timestamp = _milliseconds(at[:_POINT]) + _FRACTION[at[_POINT:_TO_MS]]
            if row[37] == _Z and row[38] == _SPACE and row[31:37].isdigit():
                return row[TEXT:].decode("utf-8", "replace"), at, timestamp
        now = self._clock()
        return row[HEADER:].decode("utf-8", "replace"), time_text(now), now // 1_000_000

    def _join(self, text: str, at: str, timestamp: int, stderr: bool, seq: int) -> Line | None:
        parts = self._open.get(stderr)
        if parts is None:
            parts = self._open[stderr] = _Parts(seq, at, timestamp)
        whole = text.endswith("\n")
        parts.last = seq
        parts.short = len(text.encode()) < PART
        parts.texts.append(text[:-1] if whole else text)
        parts.size += len(text)
        if whole or parts.size >= MAX_LINE:
            return self._close(stderr, "" if whole else _PARTIAL)
        return None

    def _close(self, stderr: bool, extra: str) -> Line:
        parts = self._open.pop(stderr)
        text = "".join(parts.texts)
        return Line(
            text, parts.time, parts.timestamp, stderr, parts.last, extra=extra, first=parts.first
        )

    def newest_parts(self) -> dict[bool, int]:
        """The last row of each line that is open, by stream."""
        return {stderr: parts.last for stderr, parts in self._open.items()}

    def flush(self, still: Mapping[bool, int] | None = None) -> list[Line]:
        """Lines whose end never came, marked `partial`; with `still`, those that stand as then."""
        now = self.newest_parts()
        stale = now if still is None else dict(now.items() & still.items())
        return [self._close(stderr, _PARTIAL) for stderr in sorted(stale, key=stale.__getitem__)]


def _milliseconds(second: str) -> int:
    """`2006-01-02T15:04:05.` in UTC as milliseconds since the epoch, else `ValueError`."""
    return timegm(strptime(second, "%Y-%m-%dT%H:%M:%S.")) * 1000
