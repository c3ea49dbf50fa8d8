"""The newest records, in memory: a circular buffer addressed by offset."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from towline.record import Record

MOST_BYTES: Final = 16_000_000
"""Bytes of JSON beyond which records are forgotten, however few they are: one can have a MB.

A record has its message besides, so in memory it is about twice that."""


class Ring:
    """The last `capacity` records, from offset `first` to `next`, but for those taken out of it."""

    __slots__ = ("_base", "_holed", "_sizes", "_slots", "capacity", "first", "next", "size")

    def __init__(self, capacity: int, offset: int) -> None:
        self.capacity = capacity
        self.first = offset
        self.next = offset
        self._base = offset
        self._holed = offset  # before it there may be holes
        self._slots: list[Record | None] = []
        self._sizes: deque[tuple[int, int]] = deque()  # where each batch ends, and its bytes
        self.size = 0

    def __len__(self) -> int:
        return self.next - self.first

    def extend(self, records: list[Record]) -> None:
        """Add records that follow the newest one; forget the oldest beyond the capacity."""
        capacity = self.capacity
        self.next += len(records)
        if records:
            self._sizes.append((self.next, size := sum([len(record.json) for record in records])))
            self.size += size
        if len(records) >= capacity:
            self._slots = list(records[-capacity:])
            self.first = self._base = self.next - capacity
            self._weigh()
            return
        slots: list[Any] = self._slots
        room = capacity - len(slots)
        slots += records[:room]
        kept = records[room:]
        if kept:
            at = (self.next - len(kept) - self._base) % capacity
            until = at + len(kept)
            if until <= capacity:
                slots[at:until] = kept
            else:
                split = capacity - at
                slots[at:] = kept[:split]
                slots[: until - capacity] = kept[split:]
        self.first = max(self.first, self.next - capacity)
        self._weigh()

    def _weigh(self) -> None:
        """Batches of which nothing is left weigh nothing."""
        while self._sizes and self._sizes[0][0] <= self.first:
            self.size -= self._sizes.popleft()[1]

    def fitting(self, most: int = MOST_BYTES) -> int:
        """The first offset from which on all is within so many bytes; the newest batch always."""
        first, size = self.first, self.size
        for end, nbytes in self._sizes:
            if size <= most or end == self.next:
                break
            first, size = end, size - nbytes
        return first

    def forget(self, before: int) -> None:
        """Let go of the records before an offset."""
        for offset in range(self.first, before):
            self._slots[(offset - self._base) % self.capacity] = None
        self.first = max(self.first, before)
        self._weigh()

    def slice(self, start: int, limit: int) -> list[Record]:
        """The records of `limit` offsets from `start` on; `start` must not be before `first`."""
        end = min(start + limit, self.next)
        if start >= end:
            return []
        capacity = self.capacity
        low = (start - self._base) % capacity
        high = (end - self._base) % capacity
        slots = self._slots
        found: list[Any] = slots[low:high] if low < high else slots[low:] + slots[:high]
        return [record for record in found if record is not None] if start < self._holed else found

    def take_out(self, goes: Callable[[Record], bool], before: int) -> list[int]:
        """Forget records whose offset is less; return the offsets of those, oldest first."""
        gone = [r.offset for r in self.slice(self.first, before - self.first) if goes(r)]
        for offset in gone:
            self._slots[(offset - self._base) % self.capacity] = None
        if gone:
            self._holed = max(self._holed, gone[-1] + 1)
        return gone

    def resized(self, capacity: int) -> Ring:
        """A ring of another capacity with the newest of these records."""
        start = max(self.first, self.next - capacity)
        ring = Ring(capacity, start)
        count = self.next - start
        low = (start - self._base) % self.capacity
        ring._slots = (self._slots[low:] + self._slots[:low])[:count] if count else []
        ring.next, ring._holed = self.next, self._holed
        ring._sizes, ring.size = self._sizes.copy(), self.size
        ring._weigh()
        return ring
