"""Reading one container, whole and once: catch up, follow, catch up again.

`follow` loses lines under rotation without a word, and a stream that ends cleanly is not complete
(measured on Docker 20.10 and 26.1). So every end of a stream is followed by a read of what was
left, found by alignment; a container whose log rotates is read by polls, `follow` is only the bell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from towline.errors import NotFound
from towline.sources.docker.align import Aligner
from towline.sources.docker.catchup import CatchUp
from towline.sources.docker.history import Open
from towline.sources.docker.jsonlog import FilesAway
from towline.sources.docker.ways import API, FILES, Ways

JOIN_ROWS: Final = (100, 3_000)
"""Rows that a follower asks for to find the ones taken last among them: at first, and at most."""

JOIN: Final = 2.0
"""Seconds that it has for that once rows come."""

IDLE: Final = 30.0
"""Seconds of silence after which the log is looked at: a follower may have gone deaf."""

POLL: Final = 0.1
BURST: Final = 2_000
"""Fresh rows of one poll from which on the bell costs more than it tells."""

CALM: Final = 64
PAUSES: Final = (0.1, 5.0)
"""The first and the longest pause where a follower ends at once, again and again."""


class Reading:
    """One container being read. It outlives streams, restarts of the container and of the engine.

    `running` asks whether the container still runs. `fault` is why reading failed last, in plain
    words, until it works again. `way` is how it is read: `api` or `files`.
    """

    def __init__(
        self,
        catch_up: CatchUp,
        open_: Open,
        running: Callable[[], Awaitable[bool]],
        *,
        ways: Ways,
        rotated: bool,
    ) -> None:
        self.catch_up = catch_up
        self.position = catch_up.position
        self._open = open_
        self._running = running
        self._rotated = rotated
        self.ways = ways
        self.way = ""
        self.fault = ""
        self._pause = PAUSES[0]
        self._join_rows = JOIN_ROWS[0]

    async def run(self, turn: asyncio.Semaphore, *, live: bool = False) -> bool:
        """Until the container has stopped and everything it wrote is read, or it is gone.

        False when it was removed before the end of its log was seen: something may be missing.

        `live`: it has only just started, what it writes may be gone before there is time to catch
        up. `turn` bounds how many catch up at once. `SourceError` when the engine or the log fails;
        running again goes on exactly here.
        """
        catch_up = self.catch_up
        catch_up.begin()
        try:
            if await self._by_files():
                catch_up.finish(whole=True)
                return True
            self.way = API
            if live and not (self._rotated or self.position.trail or self.position.resuming):
                await self._follow()
            async with turn:
                fresh = await catch_up()
            self.fault = ""
            while True:
                if await self._running():
                    await self._while_it_runs()
                elif not fresh:
                    break
                fresh = await catch_up()
        except NotFound:
            catch_up.finish(whole=False)
            return False
        finally:
            catch_up.end()
        catch_up.finish(whole=True)
        return True

    async def _by_files(self) -> bool:
        """Read the json files where they can be read; False where the API has to go on."""
        files = self.ways.files()
        if files is None:
            return False
        self.way = FILES
        try:
            await files.run(self._well)
        except FilesAway as exc:
            self.ways.give_up(str(exc))
            return False
        return True

    def _well(self) -> None:
        self.fault = ""

    async def _while_it_runs(self) -> None:
        """Follow or poll; what ends at once and shows nothing is not asked again at once."""
        loop = asyncio.get_running_loop()
        begun, before = loop.time(), self.position.seq
        await (self._poll() if self._rotated else self._follow())
        if self.position.seq > before or loop.time() - begun > 1:
            self._pause = PAUSES[0]
        else:
            await asyncio.sleep(self._pause)
            self._pause = min(PAUSES[1], self._pause * 2)

    async def _follow(self) -> None:
        """Follow until the stream ends, or until it shows that it does not join on."""
        catch_up, trail = self.catch_up, self.position.trail
        aligner = Aligner(trail.rows(), run=trail.run, cut=True)
        cut = catch_up.history.cutter()
        loop = asyncio.get_running_loop()
        joining: list[asyncio.TimerHandle] = []

        def give_up() -> None:
            if not aligner.aligned:
                stream.close()

        def feed(data: bytes) -> None:
            rows = cut.feed(data)
            if aligner.aligned:
                catch_up.take(rows)
            else:
                catch_up.take(aligner.feed(rows))
                if not joining:
                    joining.append(loop.call_later(JOIN, give_up))
            if cut.errors or (aligner.rows > tail and not aligner.aligned):
                stream.close()

        tail = catch_up.at_most(self._join_rows)
        query = f"tail={tail}" if trail else catch_up.first()
        stream = await self._open(f"follow=1&{query}", feed)
        try:
            while not await stream.ends(IDLE):
                if not await catch_up.has_newest():
                    break
        finally:
            first, most = JOIN_ROWS
            self._join_rows = first if aligner.aligned else min(most, self._join_rows * 4)
            for timer in joining:
                timer.cancel()
            stream.close()
            catch_up.history.note(cut.errors)

    async def _poll(self) -> None:
        """Read a log that rotates: wait for the bell, align, again; without the bell in a burst."""
        rung = asyncio.Event()
        bell = await self._open("follow=1&tail=1", lambda _: rung.set())
        bell.when_done(rung.set)
        try:
            while not bell.done:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE):
                        await rung.wait()
                rung.clear()
                if await self.catch_up() > BURST:
                    bell.close()  # what it shows costs the daemon as much as reading it
                    return await self._burst()
                await asyncio.sleep(POLL)
        finally:
            bell.close()
        return await bell.ended()

    async def _burst(self) -> None:
        """Poll as fast as rotation demands."""
        fresh = BURST
        while fresh > CALM:
            fresh = await self.catch_up()
            if fresh < BURST:
                await asyncio.sleep(POLL)
