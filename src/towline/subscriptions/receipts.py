"""When a broker is told that a message is safe with us."""

from __future__ import annotations

import asyncio
from typing import Final

from towline.broker.incoming import Incoming

MOST_OPEN: Final = 8
"""Messages that one subscription leaves unacknowledged while their actions are under way."""

LONGEST: Final = 5.0
"""Seconds that it does so."""


class Receipts:
    """Messages are acknowledged when their actions are done, so that a kill repeats them.

    A broker has so many messages under way and no more (Mosquitto: 20), for all who share the
    connection. So an action that takes its time, or many at once, keep only a few of them open.
    """

    def __init__(self) -> None:
        self._open: dict[Incoming, asyncio.TimerHandle] = {}

    def take(self, message: Incoming) -> None:
        """One more; it is acknowledged at once where too many are open."""
        if len(self._open) >= MOST_OPEN:
            message.acknowledge()
        else:
            loop = asyncio.get_running_loop()
            self._open[message] = loop.call_later(LONGEST, self.done, message)

    def done(self, message: Incoming) -> None:
        """Acknowledge it, unless that was done before."""
        if timer := self._open.pop(message, None):
            timer.cancel()
            message.acknowledge()

    def close(self) -> None:
        """Acknowledge what is left."""
        for message in list(self._open):
            self.done(message)
