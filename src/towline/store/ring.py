"""The newest records, in memory: a circular buffer addressed by offset."""

from __future__ import annotations

from towline.record import Record


class Ring:
    """The last `capacity` records. Offsets in it are dense: `first` to `next` without a hole."""

    __slots__ = ("_base", "_slots", "capacity", "first", "next")

    def __init__(self, capacity: int, offset: int) -> None:
        self.capacity = capacity
        self.first = offset
        self.next = offset
        self._base = offset
        self._slots: list[Record] = []

    def __len__(self) -> int:
        return self.next - self.first

    def extend(self, records: list[Record]) -> None:
        """Add records that follow the newest one; forget the oldest beyond the capacity."""
        capacity = self.capacity
        self.next += len(records)
        if len(records) >= capacity:
            self._slots = records[-capacity:]
            self.first = self._base = self.next - capacity
            return
        slots = self._slots
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
        """At most `limit` records from offset `start` on; `start` must not be before `first`."""
        end = min(start + limit, self.next)
        if start >= end:
            return []
        capacity = self.capacity
        low = (start - self._base) % capacity
        high = (end - self._base) % capacity
        if low < high:
            return self._slots[low:high]
        return self._slots[low:] + self._slots[:high]

    def resized(self, capacity: int) -> Ring:
        """A ring of another capacity with the newest of these records."""
        start = max(self.first, self.next - capacity)
        ring = Ring(capacity, start)
        ring.extend(self.slice(start, capacity))
        return ring
