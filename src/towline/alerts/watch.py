"""What an alert makes of records: those that count, those that are too old, and what follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from towline.alerts.occasions import about
from towline.alerts.rules import Change, Sieve, Windows, group_of
from towline.config.alerts import Alert
from towline.record import Record
from towline.status import Health


class AlertHealth(Health):
    """A health that also says when the alert fired last (milliseconds)."""

    __slots__ = ("last_fired",)

    def __init__(self) -> None:
        super().__init__()
        self.last_fired: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return super().as_json() | {"lastFired": self.last_fired}


class Watch:
    """An alert's rule at work, counted in its health. Times are milliseconds."""

    def __init__(self, settings: Alert, device: str, health: AlertHealth) -> None:
        self._settings = settings
        self._device = device
        self._health = health
        self._oldest = round(settings.max_age * 1000)
        self._sieve = Sieve(settings)
        self.windows = Windows(settings)

    def counting(self, records: Iterable[Record]) -> list[Record]:
        """Those of the records that count."""
        return self._sieve.through(records)

    def look(self, record: Record, now: int) -> Change | None:
        """What a record that counts brings about."""
        counters, windows = self._health.counters, self.windows
        if now - record.timestamp > self._oldest:
            counters["stale"] += 1
            return None
        counters["matched"] += 1
        group = group_of(record, self._settings.group, self._device)
        change = windows.hit(group, record.timestamp, now, lambda: about(record.origin))
        counters["suppressed"] = windows.suppressed
        counters["forgotten"] = windows.forgotten
        return self._counted(change) if change else None

    def over(self, now: int) -> list[Change]:
        """What is over."""
        return [self._counted(change) for change in self.windows.over(now)]

    def _counted(self, change: Change) -> Change:
        self._health.counters["fired" if change.fired else "resolved"] += 1
        if change.fired:
            self._health.last_fired = change.at
        return change
