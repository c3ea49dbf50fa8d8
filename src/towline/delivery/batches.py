"""Records of the store, filtered for one backend and cut into batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

from towline.delivery.policy import Policy
from towline.delivery.router import Router
from towline.record import Record
from towline.store.reader import Reader


class Batches:
    """Holds what was read and has not arrived yet.

    `clock` counts seconds of no particular origin.
    """

    def __init__(
        self, name: str, reader: Reader, router: Router, policy: Policy, clock: Callable[[], float]
    ) -> None:
        self.reader = reader
        self._name = name
        self._router = router
        self._policy = policy
        self._clock = clock
        self._held: list[Record] = []
        self._bytes = 0
        self._since = 0.0
        self._missed = 0
        self._groups: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def cursor(self) -> int:
        """The offset of the first record that has not arrived."""
        return self._held[0].offset if self._held else self.reader.offset

    async def fill(self, end: int | None) -> bool:
        """Take what there is before offset `end`; False when that was nothing."""
        room = self._policy.max_records - len(self._held)
        if room <= 0 or (end is not None and self.reader.offset >= end):
            return False
        records = await self.reader.take(room)
        wanted = self._router.wanted(self._name, records)
        if wanted and not self._held:
            self._since = self._clock()
        self._held += wanted
        self._bytes += _size(wanted)
        if self._policy.group:
            self._groups.update(map(self._policy.group, wanted))
        return bool(records)

    def missed(self) -> int:
        """Records that were gone before they could be read, since the last time of asking."""
        lost, self._missed = self.reader.missed - self._missed, self.reader.missed
        return lost

    def patience(self) -> float:
        """Seconds that the records held may still wait for company; 0 when they are due."""
        policy = self._policy
        fullest = max(self._groups.values(), default=0) if policy.group else len(self._held)
        if fullest >= policy.enough or self._bytes >= policy.max_bytes:
            return 0.0
        if len(self._held) >= policy.max_records:
            return 0.0
        return max(0.0, policy.max_age - (self._clock() - self._since))

    def batch(self) -> list[Record]:
        """The first records held, as many as may go at once."""
        if self._bytes <= self._policy.max_bytes:
            return list(self._held)
        size = 0
        for count, record in enumerate(self._held):
            size += len(record.json)
            if count and size > self._policy.max_bytes:
                return self._held[:count]
        return list(self._held)

    def arrived(self, batch: list[Record]) -> None:
        """The first batch needs no longer be held."""
        if len(batch) == len(self._held):
            self._held, self._bytes = [], 0
            self._groups.clear()
            return
        del self._held[: len(batch)]
        self._bytes -= _size(batch)
        if self._policy.group:
            self._groups = Counter(map(self._policy.group, self._held))


def _size(records: list[Record]) -> int:
    return sum([len(record.json) for record in records])
