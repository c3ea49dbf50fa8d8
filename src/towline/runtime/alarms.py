"""Which alerts would count a record, and how often they would have fired. No I/O."""

from __future__ import annotations

from typing import Any, Final

from towline.alerts.rules import Sieve, Windows, group_of
from towline.config.alerts import Alert
from towline.config.settings import Settings
from towline.record import Record

SAMPLES: Final = 3
"""Records shown of those that would make an alert fire."""

LONGEST: Final = 200
"""Characters of a message that are kept."""

Counted = tuple[int, str, str, str, str]
"""A record that counts: its time, its group, who wrote it, its level and its message."""


class Alarms:
    """The alerts of a configuration, by the rules that `towline run` uses."""

    def __init__(self, settings: Settings) -> None:
        self._device = settings.device.id
        self._alerts = {name: one for name, one in settings.alerts.items() if one.enabled}
        self._sieves = {name: Sieve(one) for name, one in self._alerts.items()}
        self._counted: dict[str, list[Counted]] = {name: [] for name in self._alerts}

    def of(self, record: Record | None) -> tuple[str, ...]:
        """The alerts that count a record, in the file's order."""
        if record is None:
            return ()
        return tuple(name for name, counts in self._sieves.items() if counts(record))

    def add(self, record: Record) -> None:
        """Count a record in; they may come in any order."""
        for name in self.of(record):
            group = group_of(record, self._alerts[name].group, self._device)
            origin = record.origin
            about = origin.container or origin.name, record.level, record.message[:LONGEST]
            self._counted[name].append((record.timestamp, group, *about))

    def as_json(self) -> dict[str, Any]:
        """How often each would have fired, and at which records."""
        return {name: self._fired(name, alert) for name, alert in self._alerts.items()}

    def _fired(self, name: str, alert: Alert) -> dict[str, Any]:
        windows = Windows(alert)
        counted = sorted(self._counted[name], key=lambda each: each[0])
        fired = [each for each in counted if windows.hit(each[1], each[0], each[0])]
        samples = [_sample(each) for each in fired[:SAMPLES]]
        return {"matched": len(counted), "count": len(fired), "samples": samples}


def _sample(counted: Counted) -> dict[str, Any]:
    timestamp, _, name, level, message = counted
    return {"timestamp": timestamp, "name": name, "level": level, "message": message}
