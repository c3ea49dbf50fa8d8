"""Rows to lines: times, parts joined per stream, rows counted. Pure."""

from __future__ import annotations

from calendar import timegm
from dataclasses import dataclass, field
from time import strptime
from typing import Final

from towline.record import Line
from towline.sources.docker.frames import HEADER, STDERR, TEXT, TIME

MAX_LINE: Final = 1 << 20
"""Characters of a joined line; a longer one is handed on in pieces marked `partial`."""

_NEWLINE = 10
_PARTIAL = ',"partial":true'


@dataclass(slots=True)
class _Parts:
    """A line being joined: its texts so far, and the time of its first part."""

    time: str
    timestamp: int
    texts: list[str] = field(default_factory=list)
    size: int = 0


class Lines:
    """Turns the rows of one container into lines; `seq` is that of the last row taken.

    All parts of a line share one time, that of the first. `pending` says whether a line is open.
    """

    def __init__(self, *, seq: int = 0, terminal: bool = False) -> None:
        self.seq = seq
        self._terminal = terminal
        self._open: dict[bool, _Parts] = {}
        self._second = ""
        self._ms = 0

    @property
    def pending(self) -> bool:
        """Whether a line has begun whose end is not here yet."""
        return bool(self._open)

    def feed(self, rows: list[bytes]) -> list[Line]:
        """The lines that are whole now."""
        lines: list[Line] = []
        add = lines.append
        seq, second, ms = self.seq, self._second, self._ms
        for row in rows:
            seq += 1
            text = str(row[HEADER:], "utf-8", "replace")
            if text[:19] != second:
                second = text[:19]
                ms = _milliseconds(second)
            stderr = row[0] == STDERR
            timestamp = ms + int(text[20:23])
            if row[-1] == _NEWLINE and not self._open:
                add(Line(text[31:-1], text[:TIME], timestamp, stderr, seq))
            else:
                self._join(row, text, timestamp, stderr, seq, lines)
        self.seq, self._second, self._ms = seq, second, ms
        if self._terminal:
            for line in lines:
                line.text = line.text.removesuffix("\r")
        return lines

    def _join(
        self, row: bytes, text: str, timestamp: int, stderr: bool, seq: int, lines: list[Line]
    ) -> None:
        whole = len(row) > TEXT and row[-1] == _NEWLINE
        parts = self._open.get(stderr)
        if parts is None:
            parts = self._open[stderr] = _Parts(text[:TIME], timestamp)
        piece = text[31:-1] if whole else text[31:]
        parts.texts.append(piece)
        parts.size += len(piece)
        if whole or parts.size >= MAX_LINE:
            lines.append(self._close(stderr, seq, "" if whole else _PARTIAL))

    def _close(self, stderr: bool, seq: int, extra: str) -> Line:
        parts = self._open.pop(stderr)
        return Line("".join(parts.texts), parts.time, parts.timestamp, stderr, seq, extra=extra)

    def flush(self) -> list[Line]:
        """Lines whose end never came, marked `partial`."""
        return [self._close(stderr, self.seq, _PARTIAL) for stderr in list(self._open)]


def _milliseconds(second: str) -> int:
    """`2006-01-02T15:04:05` in UTC as milliseconds since the epoch, else `ValueError`."""
    return timegm(strptime(second, "%Y-%m-%dT%H:%M:%S")) * 1000
