"""What a broker's connection tells of itself: facts for the API, MQTT and Home Assistant."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from towline.status import Health


class Vitals:
    """Times and counts over all connections of one broker. Times are seconds since the epoch."""

    def __init__(self, health: Health, *, clock: Callable[[], float] = time.time) -> None:
        self._health = health
        self._clock = clock
        self._connected: float | None = None
        self._disconnected: float | None = None
        self._version = ""
        self.is_connected = False

    def connected(self, *, version_5: bool) -> None:
        """A server has taken us."""
        self._connected = self._clock()
        self._version = "5" if version_5 else "3.1.1"
        self.is_connected = True

    def disconnected(self) -> None:
        """The connection is gone."""
        if self.is_connected:
            self._disconnected = self._clock()
        self.is_connected = False

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        counters = self._health.counters
        return {
            "state": str(self._health.state),
            "connected": self.is_connected,
            "since": round(self._health.since * 1000),
            "lastConnected": _milliseconds(self._connected),
            "lastDisconnected": _milliseconds(self._disconnected),
            "lastError": self._health.last_error or None,
            "reason": self._health.reason or None,
            "version": self._version or None,
            "messagesOut": counters["published"],
            "messagesIn": counters["received"],
            "refused": counters["refused"],
            "connections": counters["connected"],
            "takenOver": counters["taken_over"],
        }


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
