"""Reading what Docker has beyond the last row taken, found by alignment."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

from towline.record import Line
from towline.sources.docker.align import Aligner, Everything, Gate, Holding
from towline.sources.docker.history import LONG_PATIENCE, PATIENCE, History
from towline.sources.docker.jsonrows import Entry
from towline.sources.docker.position import Position

CONTEXT: Final = 64
TAILS: Final = (2_000, 50_000)
"""Rows asked for in turn until the rows taken last are found among them; then all there are."""

FLUSH_PARTS: Final = 1.0
"""Seconds after which a line without an end is shown as it is."""

GONE: Final = "the rows taken last are no longer in Docker's log"
DAMAGED: Final = "Docker's log is damaged"

Deliver = Callable[[list[Line]], None]


class CatchUp:
    """Brings the position of one container up to what Docker has. `counters`: rows, lines."""

    def __init__(
        self, position: Position, history: History, deliver: Deliver, *, filters_since: bool
    ) -> None:
        self.position = position
        self.history = history
        self.filters_since = filters_since
        self.counters: Counter[str] = Counter()
        self._deliver = deliver
        self._last = 0
        self._careful = True
        self._sound: tuple[int, int] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self) -> int:
        """Read what is new; return how many rows that were."""
        position = self.position
        before = position.seq
        await self._read_on()
        if position.seq == before and not await self.has_newest():
            await self._read_on()  # it may have come between the two reads
            if position.seq == before:
                await self._read_past_damage()
        self._careful = False
        self._last = position.seq - before
        return self._last

    async def has_newest(self) -> bool:
        """Whether the log's last row is among those taken (or older than any that is wanted)."""
        newest = await self.history.newest()
        position = self.position
        return not newest or newest in position.trail or position.is_too_old(newest)

    def first(self) -> str:
        """What to ask for where nothing was read yet."""
        since = self.position.first_since
        return f"tail=all&since={since}" if since else "tail=all"

    def at_most(self, rows: int) -> int:
        """So many rows, or as many as there are behind the damage of a damaged log."""
        if self._sound is None:
            return rows
        count, seq = self._sound
        return min(rows, count + self.position.seq - seq)

    async def _read_on(self) -> None:
        position = self.position
        trail = position.trail
        if not trail:
            position.seek()
            await self._read(self.first(), Everything(), LONG_PATIENCE, asked=sys.maxsize)
            return
        since = position.since() if self.filters_since else ""
        since = since and f"&since={since}"
        for wanted in (2 * self._last + CONTEXT, *TAILS):
            tail = self.at_most(wanted)
            aligner = Aligner(trail.rows(), run=trail.run, cut=True)
            await self._read(f"tail={tail}{since}", aligner, PATIENCE, asked=tail)
            if aligner.aligned:
                return
            if aligner.rows < wanted:
                break
        await self._read_far()

    async def _read_far(self) -> None:
        """The rows taken last are not among the newest: look in all there is, or give them up."""
        trail = self.position.trail
        newest = await self.history.newest()
        if not newest:
            return
        if self._sound is None:
            aligner = Aligner(trail.rows(), run=trail.run, newest=crc32(newest))
            await self._read("tail=all", aligner, LONG_PATIENCE)
            if aligner.aligned:
                return
            if aligner.met:
                await self._read_after(aligner.overlap, "tail=all", GONE)
                return
        await self._read_past_damage()

    async def _read_past_damage(self) -> None:
        """Read what stands behind the damage, and say what that means where it does not join on."""
        trail = self.position.trail
        count = await self.history.sound()
        if not count:
            return
        aligner = Aligner(trail.rows(), run=trail.run, cut=True)
        if trail:
            await self._read(f"tail={count}", aligner, LONG_PATIENCE)
        if not trail or not aligner.aligned:
            reason = f"{DAMAGED}: {self.history.complaint}" if self.history.complaint else DAMAGED
            await self._read_after(aligner.overlap, f"tail={count}", reason)
        self._sound = count, self.position.seq

    async def _read_after(self, overlap: int | None, query: str, reason: str) -> None:
        """Read everything behind the last row that is known.

        Where that is the one taken last, it only stands at the top, among parts of its own line.
        Else the last ones are gone.
        """
        trail = self.position.trail
        context = trail.until(overlap) if overlap is not None else ()
        if len(context) < len(trail.rows()) and not self.position.seek():
            self.say_gap(reason)
        await self._read(query, Aligner(context), LONG_PATIENCE)

    async def _read(self, query: str, gate: Gate, patience: float, *, asked: int = 0) -> None:
        """Take what a gate lets through; after a crash, not before nothing was skipped for sure."""
        self.position.begin()
        held = Holding(gate)
        careful = self._careful and asked and not self.filters_since
        way = held if careful else gate
        await self.history.read(query, lambda rows: self.take(way.feed(rows)), patience)
        if held.held and held.rows < asked and await self._is_broken(held):
            await self._mend(held)
        else:
            self.take(held.held)
        self.emit(self.position.settle())

    async def _is_broken(self, held: Holding) -> bool:
        """Whether a log of which all was shown has more rows than were shown.

        It may have grown meanwhile: by how much is known only afterwards.
        """
        shown = held.rows + (0 if self.position.first_since else 1)
        newer = 0
        for _ in range(3):
            if await self.history.begins(shown + newer, held.first):
                return False
            allowed, found = newer, await self.history.behind(held.last, CONTEXT)
            if found is None:
                return False  # it grows too fast to tell
            if found <= allowed:
                return True
            newer = 2 * found
        return False

    async def _mend(self, held: Holding) -> None:
        """Take what was read up to a damage, and what was skipped behind it.

        Where the log only grew between two reads, all of it stands behind the rows taken last.
        """
        trail = self.position.trail
        count = await self.history.sound()
        behind: list[bytes] = []
        await self.history.read(f"tail={count}", behind.extend, LONG_PATIENCE)
        aligner = Aligner(trail.rows(), run=trail.run, cut=True)
        fresh = aligner.feed(behind)
        if aligner.aligned if trail else behind[:1] == [held.first]:
            self.take(fresh)
            return
        known = set(behind)
        self.take([row for row in held.held if row not in known])
        self.say_gap(DAMAGED)
        self.take(behind)
        self._sound = count, self.position.seq

    def take(self, rows: list[bytes]) -> None:
        """Take rows and hand on the lines that are whole."""
        if rows:
            self.counters["rows"] += len(rows)
            self.emit(self.position.take(rows))
            if self.position.lines.pending and self._timer is None:
                self._start_timer()

    def take_entries(self, entries: Sequence[Entry]) -> None:
        """The same for rows that came decoded, from a json file."""
        if entries:
            self.counters["rows"] += len(entries)
            self.emit(self.position.take_entries(entries))
            if self.position.lines.pending and self._timer is None:
                self._start_timer()

    def emit(self, lines: list[Line]) -> None:
        """Hand on lines."""
        if lines:
            self.counters["lines"] += len(lines)
            self._deliver(lines)

    def say_gap(self, reason: str, lost: int = 1) -> None:
        """Say that lines were lost: at least so many."""
        self._deliver([self.position.gap(reason, lost=lost)])

    def begin(self) -> None:
        """Reading begins (again)."""
        self.history.complaint = ""
        self._careful = True
        if self.position.lines.pending:
            self._start_timer()

    def end(self) -> None:
        """Reading ends or is interrupted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def finish(self, *, whole: bool) -> None:
        """Nothing more will come: what stands open is shown as it is."""
        self.emit(self.position.lines.flush())
        self._deliver([])  # nor need any step wait
        if not whole and self.history.complaint:
            self.say_gap(self.history.complaint)

    def _start_timer(self) -> None:
        still = self.position.lines.newest_parts()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(FLUSH_PARTS, self._flush_parts, still)

    def _flush_parts(self, still: dict[bool, int]) -> None:
        """A line to which nothing was added for a second is shown as it is."""
        self._timer = None
        self.emit(self.position.lines.flush(still))
        if self.position.lines.pending:
            self._start_timer()
