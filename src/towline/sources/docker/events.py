"""The engine's events of containers, read as they come.

A stalled reader of events slows the whole daemon (FAULTS 0.10), so reading is taking them off the
socket and nothing else. What would be ignored is not asked for: a health check alone makes three
`exec_*` events.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

from towline.errors import SourceError
from towline.sources.docker.address import Address
from towline.sources.docker.stream import Stream, open_stream
from towline.sources.docker.times import api_moment
from towline.sources.docker.words import ACTIONS

OPEN: Final = 5.0
"""Seconds within which the engine must begin to answer."""

WAITING: Final = 20_000
"""Events that may wait to be heeded; more are dropped and counted: the engine's list is true."""

Event = Mapping[str, Any]


class EventLines:
    """Cuts a stream of JSON, one event a line, into events."""

    def __init__(self, take: Callable[[Event], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Hand on the events that are whole now; `SourceError` for what is none."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in filter(bytes.strip, lines):
            try:
                event = json.loads(line)
            except ValueError as exc:
                raise SourceError(f"not an event: {line[:80]!r}") from exc
            if isinstance(event, dict):
                self._take(event)


class Heard:
    """Events that wait to be heeded; `overrun` counts those for which there was no room."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(WAITING)
        self.overrun = 0

    def take(self, event: Event) -> None:
        """Keep one: nothing else may happen while the engine's socket is read."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.overrun += 1

    async def next(self) -> Event:
        """The one that waits longest."""
        return await self._queue.get()


@asynccontextmanager
async def events(
    address: Address, lost: Callable[[], None], *, since: int = 0
) -> AsyncIterator[Heard]:
    """Events of containers from now on; `lost` is called when the stream has ended.

    `since`, in nanoseconds, has the engine repeat what it still has: the last 256 at most.
    """
    heard = Heard()
    filters = quote(json.dumps({"type": ["container"], "event": ACTIONS}))
    again = f"&since={api_moment(since)}" if since else ""
    lines = EventLines(heard.take)
    stream = await open_stream(address, f"/events?filters={filters}{again}", lines.feed)
    try:
        await _opened(stream)
        stream.when_done(lost)
        yield heard
    finally:
        stream.close()


async def _opened(stream: Stream) -> None:
    try:
        async with asyncio.timeout(OPEN):
            await stream.opened
    except TimeoutError as exc:
        raise SourceError(f"the engine sends no events within {OPEN:g} s") from exc
