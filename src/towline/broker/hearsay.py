"""What a broker tells of itself below `$SYS`, once somebody wants to know and where we may."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from towline.broker.incoming import Incoming
from towline.broker.subscriptions import Subscription, Subscriptions

TOPICS: Final = {
    "$SYS/broker/version": "software",
    "$SYS/broker/uptime": "uptime",
    "$SYS/broker/clients/connected": "clients",
}
TOUCHY: Final = 3.0
"""A broker that hangs up within so many seconds of being asked is not asked again."""

_LONGEST: Final = 100


class Hearsay:
    """Asks with the first `as_json`: brokers of some clouds hang up on who asks for `$SYS`."""

    def __init__(
        self, subscriptions: Subscriptions, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._subscriptions = subscriptions
        self._clock = clock
        self._mine: list[Subscription] = []
        self._asked: float | None = None
        self._known: dict[str, str] = {}

    def as_json(self) -> dict[str, Any] | None:
        """What is known; nothing before the broker has answered, or where it does not."""
        if self._asked is None:
            self._asked = self._clock()
            for topic in TOPICS:
                subscription = Subscription(topic, self._heard, 0, retained=True)
                self._subscriptions.add(subscription)
                self._mine.append(subscription)
        return dict(self._known) or None

    def lost(self) -> None:
        """The connection is gone, perhaps because we asked."""
        self._known.clear()
        if self._mine and self._asked is not None and self._clock() - self._asked < TOUCHY:
            for subscription in self._mine:
                self._subscriptions.remove(subscription)
            self._mine.clear()

    def _heard(self, message: Incoming) -> None:
        self._known[TOPICS[message.topic]] = message.payload[:_LONGEST].decode(errors="replace")
