"""Events on their way to Home Assistant: bounded, never retained, gone when nobody takes them."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from towline.broker.connection import Connection
from towline.errors import DeliveryError
from towline.status import Health

MOST: Final = 500
"""Events that wait while the broker is away; the oldest go first."""

SETTLE: Final = 1.5
"""Seconds after an announcement until Home Assistant listens: what comes before is lost there."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `not_before` is when its entity is surely listened to."""

    topic: str
    payload: dict[str, Any]
    not_before: float


class Events:
    """Sends events in order."""

    def __init__(self, connection: Connection, health: Health) -> None:
        self._connection = connection
        self._health = health
        self._waiting: deque[Event] = deque()
        self._bell = asyncio.Event()

    def put(self, topic: str, payload: dict[str, Any], *, announced_at: float) -> None:
        """Send it as soon as that makes sense; never waits."""
        if len(self._waiting) >= MOST:
            self._waiting.popleft()
            self._health.counters["events_dropped"] += 1
        self._waiting.append(Event(topic, payload, announced_at + SETTLE))
        self._bell.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            while not self._waiting:
                self._bell.clear()
                await self._bell.wait()
            await self._connection.ready()
            event = self._waiting[0]
            early = event.not_before - time.time()
            if early > 0:
                await asyncio.sleep(early)
                continue
            if self._waiting and self._waiting[0] is event:
                self._waiting.popleft()
            await self._send(event)

    async def _send(self, event: Event) -> None:
        payload = json.dumps(event.payload, ensure_ascii=False).encode()
        try:
            await self._connection.publish(event.topic, payload)
        except DeliveryError:
            self._health.counters["events_dropped"] += 1
        else:
            self._health.counters["events"] += 1
