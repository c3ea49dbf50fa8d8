"""A reader of the store: its own cursor, from files where it is far behind, else from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from towline.record import Record
from towline.store.segment import Facts, Segment, offset_of

if TYPE_CHECKING:
    from towline.store.log import Store


Rows = tuple[Segment, Facts, Iterator[bytes]]
"""A file that is being read, its facts (others once it is written anew), its rows from there on."""


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
            self._go_to(store.memory_offset, 0)
        end = min(self.offset + limit, store.next_offset)
        records = store.ring.slice(self.offset, limit)
        if end > self.offset:
            self._rows = None
            self._go_to(end, len(records))
        return records

    def _go_to(self, offset: int, handed_out: int) -> None:
        """What the store took on the way there and this one does not get, it has missed."""
        taken = self._store.account.taken.between(self.offset, offset)
        self.missed += max(0, taken - handed_out)
        self.offset = offset

    async def _take_from_files(self, limit: int) -> list[Record]:
        asked, edge = self.offset, self._store.memory_offset
        behind = [segment for segment in self._store.segments if segment.facts.last >= asked]
        rows, self._rows = self._rows, None  # not shared with a reading that was cancelled
        records, self._rows = await asyncio.to_thread(self._read, behind, rows, asked, limit)
        # where nothing was found, the rest of the files is damaged
        self._go_to(records[-1].offset + 1 if records else max(asked, edge), len(records))
        return records

    def _read(
        self, segments: list[Segment], rows: Rows | None, offset: int, limit: int
    ) -> tuple[list[Record], Rows | None]:
        """Go on in the file where the last reading ended. Blocking."""
        records: list[Record] = []
        decode = self._store.decode
        for segment in segments:
            if rows is None or rows[0] is not segment or rows[1] is not segment.facts:
                rows = (segment, segment.facts, segment.lines())
            damaged = 0
            for row in rows[2]:
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
