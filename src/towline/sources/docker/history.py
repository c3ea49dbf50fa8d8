"""What Docker still has of one container's log: reads that have an end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from towline.sources.docker.frames import HEADER, FramedRows, Rows, TerminalRows
from towline.sources.docker.stream import Stream

PATIENCE: Final = 5.0
"""Seconds of silence after which a read is given up. Longer would outlive what rotation keeps."""

LONG_PATIENCE: Final = 60.0
"""The same where the daemon must first pass over what is too old."""

_WIDEN: Final = 8
_FIRST_GUESS: Final = 64
_WIDEST: Final = 1 << 26
_ROUNDS: Final = 5

Open = Callable[[str, Callable[[bytes], None]], Awaitable[Stream]]
"""Ask for a container's log by the query part of the address, and feed what comes."""

Take = Callable[[list[bytes]], None]


class History:
    """Reads of one container's log.

    A terminal's last row has no end of its own: it counts once a second read shows the same.
    """

    def __init__(self, open_: Open, *, terminal: bool) -> None:
        self.complaint = ""
        self._open = open_
        self._terminal = terminal
        self._rest = b""
        self._unended = b""

    def cutter(self) -> Rows:
        """Cuts this container's streams into rows."""
        return TerminalRows(self._unended[HEADER:]) if self._terminal else FramedRows()

    def note(self, errors: list[str]) -> bool:
        """Remember what the daemon said in a stream; whether it said something."""
        if errors:
            self.complaint = errors[-1]
        return bool(errors)

    async def read(self, query: str, take: Take, patience: float) -> None:
        """Hand over the rows of an answer as they come, until its end."""
        cut = self.cutter()
        stream = await self._open(query, lambda data: take(cut.feed(data)))
        try:
            await stream.ended(patience)
        finally:
            stream.close()
            self.note(cut.errors)
        rest = cut.rest()
        if rest and rest == self._rest:
            self._unended = rest
            take([rest])
        self._rest = rest or self._unended

    async def newest(self) -> bytes:
        """The log's last row; empty where it has none."""
        rows: list[bytes] = []
        cut = self.cutter()
        stream = await self._open("tail=1", lambda data: rows.extend(cut.feed(data)))
        try:
            await stream.ended(PATIENCE)
        finally:
            stream.close()
        return rows[-1] if rows else cut.rest()

    async def begins(self, tail: int, first: bytes) -> bool:
        """Whether the newest `tail` rows begin with this one."""
        rows: list[bytes] = []
        cut = self.cutter()

        def feed(data: bytes) -> None:
            rows.extend(cut.feed(data))
            if rows:
                stream.close()  # one is enough

        stream = await self._open(f"tail={tail}", feed)
        try:
            await stream.ended(LONG_PATIENCE)
        finally:
            stream.close()
        return (rows[0] if rows else cut.rest()) == first

    async def behind(self, row: bytes, tail: int) -> int | None:
        """How many rows are newer than this one; None where it is not among the newest `tail`."""
        rows: list[bytes] = []
        await self.read(f"tail={tail}", rows.extend, PATIENCE)
        return rows[::-1].index(row) if row in rows else None

    async def sound(self) -> int:
        """How many of the newest rows can be read: those behind the last damage of the log.

        A read that runs into damage ends there, with an error among the rows; up to Docker 20.10
        it skips what its decoder had read ahead, and goes on or ends, without a word. So a read of
        the newest N rows that shows fewer has met it, or the log's beginning.
        """
        sound, step = 0, _FIRST_GUESS
        for _ in range(_ROUNDS):  # the log may grow while it is looked at
            sound = await self._sound_from(sound, step)
            step = 1
            if await self._count(sound + 1) <= sound:
                break
        return sound

    async def _sound_from(self, sound: int, step: int) -> int:
        while (count := await self._count(sound + step)) >= sound + step < _WIDEST:
            sound, step = sound + step, step * _WIDEN
        broken = sound + step
        hints = [broken - count, broken - count + 1]  # where nothing else is damaged
        while broken - sound > 1:
            guess = hints.pop(0) if hints else (sound + broken) // 2
            if not sound < guess < broken:
                continue
            if await self._count(guess) >= guess:
                sound = guess
            else:
                broken = guess
        return sound

    async def _count(self, tail: int) -> int:
        count = 0

        def take(rows: list[bytes]) -> None:
            nonlocal count
            count += len(rows)

        await self.read(f"tail={tail}", take, LONG_PATIENCE)
        return count
