"""How much is sent at once and how hard it is tried; what a backend may wish for."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from towline.record import Record


@runtime_checkable
class Batched(Protocol):
    """A backend that would rather wait `max_age` seconds for `max_records` than send fewer."""

    max_records: int
    max_age: float


@runtime_checkable
class Grouped(Protocol):
    """A backend whose records travel in groups: each group has batches of its own."""

    def group(self, record: Record) -> Hashable:
        """What names the group of a record."""


@runtime_checkable
class Awaited(Protocol):
    """A backend that can tell when its destination is back."""

    async def ready(self) -> None:
        """Wait until another try is worth it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A batch is due with `enough` records, with `max_bytes`, or at `max_age` of its first record.

    With `group` it is due with `enough` records of one group. Where a backend is behind, up to
    `max_records` go at once.
    """

    enough: int = 1
    max_records: int = 500
    max_bytes: int = 1024 * 1024
    max_age: float = 0.0
    first_delay: float = 0.5
    longest_delay: float = 30.0
    group: Callable[[Record], Hashable] | None = None

    def of(self, backend: object) -> Policy:
        """The same, with what the backend wishes."""
        if not isinstance(backend, Batched):
            return self
        return replace(
            self,
            enough=backend.max_records,
            max_records=max(self.max_records, backend.max_records),
            max_age=backend.max_age,
            group=backend.group if isinstance(backend, Grouped) else None,
        )

    def delay(self, attempt: int, chance: float) -> float:
        """Full jitter: anything up to a bound that doubles."""
        return chance * min(self.longest_delay, self.first_delay * 2.0 ** min(attempt, 16))
