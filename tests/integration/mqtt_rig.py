"""A store, a delivery and a backend on a real broker, run as the runtime would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.contract.backends import mqtt_settings
from towline.backends.mqtt import MqttBackend
from towline.broker.connection import Connection
from towline.config.settings import Store as StoreSettings
from towline.delivery.dead import DeadLetters
from towline.delivery.delivery import Delivery
from towline.delivery.router import Router
from towline.pipeline.encode import encode, template_of
from towline.ports import Backend
from towline.record import Line, Origin, OriginType
from towline.store.log import Store

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", app="1", service="web")


def append(store: Store, texts: list[str], origin: Origin = WEB, level: str = "info") -> None:
    """Lines as records at the end of the store."""
    lines = [
        Line(text=text, time="2026-01-01T00:00:00.000000000Z", timestamp=0, level=level)
        for text in texts
    ]
    store.append(encode(template_of(origin), lines, store.next_offset))


@asynccontextmanager
async def delivering(
    folder: Path, connection: Connection, **settings: object
) -> AsyncIterator[tuple[Store, Delivery]]:
    """A delivery from a store in memory to the broker of `connection`."""
    async with delivering_to(folder, MqttBackend(mqtt_settings(**settings), connection)) as found:
        yield found


@asynccontextmanager
async def delivering_to(folder: Path, backend: Backend) -> AsyncIterator[tuple[Store, Delivery]]:
    """A delivery from a store in memory to a backend, which it opens."""
    async with Store(StoreSettings(path=folder / "data", persist=False)) as store:
        dead = DeadLetters(folder / "dead", "tested")
        async with Delivery(
            "tested", backend, store, Router(), dead, sleep=lambda s: asyncio.sleep(min(s, 0.05))
        ) as delivery:
            running = asyncio.create_task(delivery.run())
            try:
                yield store, delivery
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
