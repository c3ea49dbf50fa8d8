"""A reader of the store: its own cursor, from files where it is far behind, else from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from towline.record import Record
from towline.store.segment import Segment, offset_of

if TYPE_CHECKING:
    from towline.store.log import Store


class Reader:
    """Hands out records in store order. A slow reader loses only its own place.

    `offset` is that of the next record; `missed` counts records that were gone before it came.
    """

    def __init__(self, store: Store, offset: int, *, memory_only: bool) -> None:
        self._store = store
        self.offset = min(offset, store.next_offset)
        self.memory_only = memory_only
        self.missed = 0
        self._rows: tuple[Segment, Iterator[bytes]] | None = None

    async def wait(self) -> None:
        """Until there is something at or after `offset`."""
        while self.offset >= self._store.next_offset:
            await self._store.appended()

    async def take(self, limit: int) -> list[Record]:
        """At most `limit` records, at once; empty when nothing is new."""
        store = self._store
        if self.offset < store.memory_offset:
            if self.memory_only or not store.on_disk(self.offset):
                self._skip(store.memory_offset)
            else:
                return await self._take_from_files(limit)
        records = store.ring.slice(self.offset, limit)
        if records:
            self._rows = None
            self.offset = records[-1].offset + 1
        return records

    def lose(self, count: int, offset: int) -> None:
        """Told by retention: `count` records before `offset` are gone."""
        if self.offset < offset:
            self.missed += count
            self.offset = offset

    def _skip(self, offset: int) -> None:
        self.missed += offset - max(self.offset, self._store.started)
        self.offset = offset

    async def _take_from_files(self, limit: int) -> list[Record]:
        self._store.flush()
        asked = self.offset
        records = await asyncio.to_thread(self._read, list(self._store.segments), limit)
        if self.offset != asked:
            return []  # retention moved the cursor meanwhile: what was read is gone from the store
        if records:
            self.offset = records[-1].offset + 1
        else:  # files end where memory begins
            self.offset = max(self.offset, self._store.memory_offset)
        return records

    def _read(self, segments: list[Segment], limit: int) -> list[Record]:
        """Go on in the file where the last reading ended. Blocking."""
        records: list[Record] = []
        decode = self._store.decode
        offset = self.offset
        for segment in segments:
            if segment.facts.last < offset:
                continue
            for row in self._rows_of(segment):
                if offset_of(row) < offset:
                    continue
                records.append(decode(row))
                if len(records) >= limit:
                    return records
            self._rows = None
        return records

    def _rows_of(self, segment: Segment) -> Iterator[bytes]:
        if self._rows is None or self._rows[0] is not segment:
            self._rows = (segment, segment.lines())
        return self._rows[1]
