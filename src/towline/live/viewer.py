"""One viewer: a reader of the store with a filter. It has no queue, so it can delay nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from towline.live import frames
from towline.live.frames import Frame
from towline.live.press import Press
from towline.record import Record, record_id
from towline.store.log import Store
from towline.store.query import Filter, Query

TAKE: Final = 1000
"""Records looked at in one turn of the loop."""

HEARTBEAT: Final = 15.0
"""Seconds of silence after which a viewer gets a ping; proxies cut connections that say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a viewer asked for. `after` resumes behind a record and makes `tail` moot.

    `facts` go into the hello frame as they are.
    """

    query: Query = field(default_factory=Query)
    tail: int = 0
    follow: bool = True
    after: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Viewer:
    """The frames one viewer gets, in store order, every record once or an explicit gap."""

    def __init__(
        self, store: Store, wish: Wish, press: Press, *, heartbeat: float = HEARTBEAT
    ) -> None:
        self._store = store
        self._wish = wish
        self._press = press
        self._heartbeat = heartbeat
        plain = replace(wish.query, after=None, before=None, limit=100, newest_first=True)
        self._query = plain
        self._keep = None if plain == Query() else Filter(plain)
        self._wanted = repr(plain)
        self._clock = asyncio.get_running_loop().time
        self._spoke = self._clock()
        self._go_on(store.next_offset, memory_only=True)
        self.missed = 0

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Frames until the store's present end, or for ever where the viewer follows."""
        end = self._store.next_offset
        yield self._hello(end)
        for frame in await self._beginning(end):
            yield frame
        while self._wish.follow or self._reader.offset < end:
            if not self._from_memory and self._reader.offset >= self._store.memory_offset:
                self._go_on(self._reader.offset, memory_only=True)
            records = await self._reader.take(TAKE)
            for frame in self._framed(records):
                self._spoke = self._clock()
                yield frame
            if not (records or self._wish.follow):
                return
            await self._pause(len(records))
            if self._clock() - self._spoke >= self._heartbeat:
                self._spoke = self._clock()
                yield frames.ping(record_id(max(self._reader.offset - 1, 0)))

    def _hello(self, end: int) -> Frame:
        store = self._store
        return frames.hello(
            {
                "store": {
                    "first": record_id(store.first_offset),
                    "memory": record_id(store.memory_offset),
                    "next": record_id(end),
                },
                "tail": self._wish.tail,
                "follow": self._wish.follow,
                "heartbeat": self._heartbeat,
                **self._wish.facts,
            }
        )

    async def _beginning(self, end: int) -> list[Frame]:
        """Go to where the viewer wants to start; what it should see of the time before."""
        after = self._wish.after
        if after is not None and after < end:
            self._go_on(after + 1, memory_only=False)
            return []
        self._go_on(end, memory_only=True)
        if after is not None:  # an id from a store that is no more
            return [frames.gap(None, "unknown_id")]
        if not self._wish.tail:
            return []
        page = await self._store.query(replace(self._query, limit=self._wish.tail, before=end))
        return list(frames.packed((r.id, r.json) for r in reversed(page.records)))

    def _go_on(self, offset: int, *, memory_only: bool) -> None:
        """Read from an offset; once it is there, from memory alone: live viewers cost no disk."""
        self._reader = self._store.reader(offset, memory_only=memory_only)
        self._from_memory = memory_only
        self._told = 0

    def _framed(self, records: list[Record]) -> Iterator[Frame]:
        if lost := self._reader.missed - self._told:
            self._told += lost
            self.missed += lost
            yield frames.gap(lost, "slow" if self._from_memory else "expired")
        if records:
            place = (self._wanted, records[0].offset, records[-1].offset)
            yield from self._press.frames(place, lambda: self._made(records))

    def _made(self, records: list[Record]) -> list[Frame]:
        keep = self._keep
        kept = records if keep is None else [record for record in records if keep(record)]
        return list(frames.packed((record.id, record.json) for record in kept))

    async def _pause(self, taken: int) -> None:
        """Let others run; coalesce what comes next; wait for more, but not over a heartbeat."""
        if taken == TAKE:
            await asyncio.sleep(0)
        elif taken:
            await self._press.beat()
        else:
            rest = self._spoke + self._heartbeat - self._clock()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(rest, 0)):
                    await self._reader.wait()
