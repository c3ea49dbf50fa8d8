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
from towline.sources.docker.stream import Address, Stream, open_stream

ACTIONS: Final = (
    "start",
    "die",
    "destroy",
    "rename",
    "oom",
    "pause",
    "unpause",
    "health_status",
)
OPEN: Final = 5.0
"""Seconds within which the engine must begin to answer."""

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


@asynccontextmanager
async def events(address: Address, lost: Callable[[], None]) -> AsyncIterator[asyncio.Queue[Event]]:
    """Events of containers from now on; `lost` is called when the stream has ended."""
    queue: asyncio.Queue[Event] = asyncio.Queue()
    filters = quote(json.dumps({"type": ["container"], "event": ACTIONS}))
    lines = EventLines(queue.put_nowait)
    stream = await open_stream(address, f"/events?filters={filters}", lines.feed)
    try:
        await _opened(stream)
        stream.when_done(lost)
        yield queue
    finally:
        stream.close()


async def _opened(stream: Stream) -> None:
    try:
        async with asyncio.timeout(OPEN):
            await stream.opened
    except TimeoutError as exc:
        raise SourceError(f"the engine sends no events within {OPEN:g} s") from exc
