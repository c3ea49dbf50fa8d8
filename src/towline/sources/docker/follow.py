"""Reading one container, whole and once: catch up, follow, catch up again.

`follow` loses lines under rotation without a word, and a stream that ends cleanly is not complete
(measured on Docker 20.10 and 26.1). So every end of a stream is followed by a read of what was
left, found by alignment; a container whose log rotates is read by polls, `follow` is only the bell.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from towline.errors import NotFound
from towline.record import Line
from towline.sources.docker.align import Aligner, Remainder
from towline.sources.docker.frames import ERROR, TEXT, FramedRows, Rows, TerminalRows
from towline.sources.docker.position import Position
from towline.sources.docker.stream import Stream

TAILS: Final = (2_000, 50_000)
"""Rows asked for in turn until the rows taken last are found among them; then all there are."""

POLL_CONTEXT: Final = 64
FOLLOW_TAIL: Final = 1_000
PATIENCE: Final = 5.0
"""Seconds of silence after which a read that has an end is given up."""

LONG_PATIENCE: Final = 60.0
"""The same where the daemon must first pass over what is too old."""

FLUSH_PARTS: Final = 1.0
POLL: Final = 0.1
BURST: Final = 2_000

Deliver = Callable[[list[Line]], None]
Open = Callable[[str, Callable[[bytes], None]], Awaitable[Stream]]
"""Ask for a container's log by the query part of the address, and feed what comes."""


class _Gate(Protocol):
    def feed(self, rows: list[bytes]) -> list[bytes]: ...


class Reading:
    """One container being read. It outlives streams, restarts of the container and of the engine.

    `running` asks whether the container still runs. `counters`: rows, lines, gaps, errors.
    """

    def __init__(
        self,
        position: Position,
        deliver: Deliver,
        open_: Open,
        running: Callable[[], Awaitable[bool]],
        *,
        terminal: bool,
        rotated: bool,
        filters_since: bool,
    ) -> None:
        self.position = position
        self.counters: Counter[str] = Counter()
        self._deliver = deliver
        self._open = open_
        self._running = running
        self._terminal = terminal
        self._rotated = rotated
        self._filters_since = filters_since
        self._last_poll = 0
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Until the container has stopped and everything it wrote is read, or it is gone.

        `SourceError` when the engine or the log fails; running again goes on exactly here.
        """
        try:
            if not self.position.trail and not self._rotated:
                await self._follow()
            while True:
                fresh = await self.catch_up()
                if await self._running():
                    await (self._poll() if self._rotated else self._follow())
                elif not fresh:
                    break
        except NotFound:
            self.counters["removed"] += 1
        finally:
            self._stop_timer()
        self._emit(self.position.lines.flush())

    async def catch_up(self) -> int:
        """Read what Docker has beyond the last row taken; return how many rows that were."""
        before = self.position.seq
        if not self.position.trail:
            await self._read(self._first(), Remainder(self.position.trail), LONG_PATIENCE)
            return self.position.seq - before
        since = f"&since={self.position.since()}" if self._filters_since else ""
        for tail in (2 * self._last_poll + POLL_CONTEXT, *TAILS, None):
            aligner = Aligner(self.position.trail)
            await self._read(f"tail={tail or 'all'}{since}", aligner, PATIENCE * (1 if tail else 6))
            if aligner.aligned:
                self._last_poll = self.position.seq - before
                return self._last_poll
            if tail and aligner.rows < tail:
                break
        self._say_gap("the rows taken last are no longer in Docker's log")
        await self._read("tail=all", Remainder(self.position.trail), LONG_PATIENCE)
        return self.position.seq - before

    def _first(self) -> str:
        """Where to begin with a container that nothing was read of."""
        since = self.position.first_since
        return f"tail=all&since={since}" if since else "tail=all"

    async def _read(self, query: str, gate: _Gate, patience: float) -> None:
        cut = self._cutter()
        stream = await self._open(query, lambda data: self._take(gate.feed(self._rows(cut, data))))
        try:
            await stream.ended(patience)
        finally:
            stream.close()
        self._take(gate.feed(cut.rest()))

    async def _follow(self) -> None:
        """Follow until the stream ends, or until it shows that it does not join on."""
        aligner = Aligner(self.position.trail)
        cut = self._cutter()
        loop = asyncio.get_running_loop()
        stray: list[asyncio.TimerHandle] = []

        def give_up() -> None:
            if not aligner.aligned:
                stream.close()

        def feed(data: bytes) -> None:
            rows = self._rows(cut, data)
            self._take(aligner.feed(rows))
            if not aligner.aligned:
                if aligner.rows > FOLLOW_TAIL:
                    stream.close()
                elif not stray:
                    stray.append(loop.call_later(2.0, give_up))

        query = f"tail={FOLLOW_TAIL}" if self.position.trail else self._first()
        stream = await self._open(f"follow=1&{query}", feed)
        try:
            await stream.ended()
        finally:
            for timer in stray:
                timer.cancel()
            stream.close()
        self._take(aligner.feed(cut.rest()))

    async def _poll(self) -> None:
        """Read a log that rotates: wait for the bell, align, again; without the bell in a burst."""
        rung = asyncio.Event()
        bell = await self._open("follow=1&tail=1", lambda _: rung.set())
        ended = asyncio.create_task(bell.ended())
        try:
            while not ended.done():
                ringing = asyncio.create_task(rung.wait())
                await asyncio.wait([ringing, ended], return_when=asyncio.FIRST_COMPLETED)
                ringing.cancel()
                rung.clear()
                if await self.catch_up() > BURST:
                    return await self._burst(bell)
                await asyncio.sleep(POLL)
        finally:
            bell.close()
            await asyncio.wait([ended])
        return ended.result()

    async def _burst(self, bell: Stream) -> None:
        bell.close()  # what it would show in a burst costs the daemon as much as reading it
        while True:
            fresh = await self.catch_up()
            if fresh <= POLL_CONTEXT:
                return
            await asyncio.sleep(POLL)

    def _cutter(self) -> Rows:
        return TerminalRows() if self._terminal else FramedRows()

    def _rows(self, cut: Rows, data: bytes) -> list[bytes]:
        rows = cut.feed(data)
        if any(row[0] == ERROR for row in rows):
            for row in rows:
                if row[0] == ERROR:
                    self._say_gap(row[TEXT:].decode("utf-8", "replace").strip())
            rows = [row for row in rows if row[0] != ERROR]
        return rows

    def _take(self, rows: list[bytes]) -> None:
        if rows:
            self.counters["rows"] += len(rows)
            self._emit(self.position.take(rows))
            if self.position.lines.pending:
                self._start_timer()

    def _emit(self, lines: list[Line]) -> None:
        if lines:
            self.counters["lines"] += len(lines)
            self._deliver(lines)

    def _say_gap(self, reason: str) -> None:
        self.counters["gaps"] += 1
        self._deliver([self.position.gap(reason)])

    def _start_timer(self) -> None:
        self._stop_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(FLUSH_PARTS, self._flush_parts)

    def _flush_parts(self) -> None:
        """A line without an end for a second is shown as it is: a prompt, a progress bar."""
        self._emit(self.position.lines.flush())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
