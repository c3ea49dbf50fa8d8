"""Whether a broker that grants a shared subscription delivers to it, too.

NATS and RabbitMQ take `$share/group/filter` for an ordinary filter: they grant it, and nothing ever
comes. So a message of our own is sent to a group of our own.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from towline.broker.connection import Connection
from towline.broker.incoming import Incoming
from towline.broker.subscriptions import Subscription
from towline.broker.topics import device_topic
from towline.errors import DeliveryError

PATIENCE: Final = 5.0
NOT_DELIVERED: Final = "the broker grants shared subscriptions and delivers nothing to them"


async def fault(connection: Connection, device: str, *, patience: float = PATIENCE) -> str:
    """What is wrong with shared subscriptions here, empty where nothing is, or nobody can tell."""
    token = secrets.token_hex(8)
    topic = device_topic(device, f"probe/{token}")
    shared = _Ear(connection, f"$share/towline-{token}/{topic}")
    try:
        if shared.subscription.refused or await shared.hears(topic, patience):
            return ""
        # The same without a group: else it may be our rights, or the connection.
        plain = _Ear(connection, topic)
        try:
            return NOT_DELIVERED if await plain.hears(topic, patience) else ""
        finally:
            plain.close()
    finally:
        shared.close()


class _Ear:
    def __init__(self, connection: Connection, topic_filter: str) -> None:
        self._connection = connection
        self._heard = asyncio.Event()
        self.subscription: Subscription = connection.subscribe(
            topic_filter, self._hear, retained=False
        )

    def _hear(self, _: Incoming) -> None:
        self._heard.set()

    async def hears(self, topic: str, patience: float) -> bool:
        """Whether a message comes that we publish now."""
        with suppress(TimeoutError, DeliveryError):
            async with asyncio.timeout(patience):
                await self._connection.publish(topic, b"probe")
                await self._heard.wait()
        return self._heard.is_set()

    def close(self) -> None:
        self._connection.unsubscribe(self.subscription)
