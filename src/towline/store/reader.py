"""A reader of the store: its own cursor, from files where it is far behind, else from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from towline.record import Record
from towline.store.segment import Segment, offset_of

if TYPE_CHECKING:
    from towline.store.log import Store


Rows = tuple[Segment, Iterator[bytes]]
"""A file that is being read and its rows from there on."""


class Reader:
    """Hands out records in store order. A slow reader loses only its own place.

    `offset` is that of the next record; `missed` counts records that were gone before it came.
    """

    def __init__(self, store: Store, offset: int, *, memory_only: bool) -> None:
        self._store = store
        self.offset = min(offset, store.next_offset)
        self.memory_only = memory_only
        self.missed = 0
        self._rows: Rows | None = None

    async def wait(self) -> None:
        """Until there is something at or after `offset`."""
        while self.offset >= self._store.next_offset:
            await self._store.appended()

    async def take(self, limit: int) -> list[Record]:
        """At most `limit` records, at once; empty when nothing is new."""
        store = self._store
        if self.offset < store.memory_offset:
            if not self.memory_only and store.on_disk(self.offset):
                return await self._take_from_files(limit)
            self._skip(store.memory_offset)
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
        """Go to what memory still holds; offsets of this run have no holes."""
        store = self._store
        if self.memory_only or not store.persistent:
            self.missed += max(0, offset - max(self.offset, store.started))
        else:
            self.missed += store.gone.between(self.offset, offset)
        self.offset = offset

    async def _take_from_files(self, limit: int) -> list[Record]:
        asked, edge = self.offset, self._store.memory_offset
        behind = [segment for segment in self._store.segments if segment.facts.last >= asked]
        rows, self._rows = self._rows, None  # not shared with a reading that was cancelled
        records, rows = await asyncio.to_thread(self._read, behind, rows, asked, limit)
        if self.offset != asked:
            return []  # retention moved the cursor meanwhile: what was read is gone from the store
        self._rows = rows
        # where nothing was found, the rest of the files is damaged
        self.offset = records[-1].offset + 1 if records else max(asked, edge)
        self.missed += self._store.gone.between(asked, self.offset)
        return records

    def _read(
        self, segments: list[Segment], rows: Rows | None, offset: int, limit: int
    ) -> tuple[list[Record], Rows | None]:
        """Go on in the file where the last reading ended. Blocking."""
        records: list[Record] = []
        decode = self._store.decode
        for segment in segments:
            if rows is None or rows[0] is not segment:
                rows = (segment, segment.lines())
            damaged = 0
            for row in rows[1]:
                try:
                    if offset_of(row) < offset:
                        continue
                    records.append(decode(row))
                except ValueError:
                    damaged += bool(row)
                if len(records) >= limit:
                    return records, rows
            segment.passed_over(damaged)
        return records, None
