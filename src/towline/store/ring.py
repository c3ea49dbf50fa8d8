"""The newest records, in memory: a circular buffer addressed by offset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from towline.record import Record


class Ring:
    """The last `capacity` records, from offset `first` to `next`, but for those taken out of it."""

    __slots__ = ("_base", "_holed", "_slots", "capacity", "first", "next")

    def __init__(self, capacity: int, offset: int) -> None:
        self.capacity = capacity
        self.first = offset
        self.next = offset
        self._base = offset
        self._holed = offset  # before it there may be holes
        self._slots: list[Record | None] = []

    def __len__(self) -> int:
        return self.next - self.first

    def extend(self, records: list[Record]) -> None:
        """Add records that follow the newest one; forget the oldest beyond the capacity."""
        capacity = self.capacity
        self.next += len(records)
        if len(records) >= capacity:
            self._slots = list(records[-capacity:])
            self.first = self._base = self.next - capacity
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
        return ring
