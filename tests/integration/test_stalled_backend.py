"""One backend of ten stalls in the middle of a batch: for the other nine nothing changes."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.contract.backends import broker_settings, connected, mqtt_settings, rows
from tests.integration.mqtt_rig import append
from tests.real.broker import Broker
from tests.real.until import auntil
from tests.unit.delivery.rig import Destination, numbered
from towline.backends.mqtt import MqttBackend
from towline.config.settings import Store as StoreSettings
from towline.delivery.dead import DeadLetters
from towline.delivery.delivery import Delivery
from towline.delivery.router import Router
from towline.ports import Backend
from towline.record import Batch
from towline.store.log import Store

pytestmark = pytest.mark.broker
TOTAL = 5000


class Stalled(Destination):
    """Takes a batch and does not come back, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def send(self, batch: Batch) -> None:
        self.asked.set()
        await self.let_go.wait()
        await super().send(batch)


async def test_a_stalled_backend_changes_nothing_for_the_other_nine(tmp_path: Path) -> None:
    options = ["max_queued_messages 0"]
    stalled, others = Stalled(), [Destination() for _ in range(8)]
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(Broker(tmp_path / "broker", options=options))
        connection = await stack.enter_async_context(connected(broker_settings(broker.url)))
        settings = StoreSettings(path=tmp_path / "data", persist=True)
        store = await stack.enter_async_context(Store(settings, memory=300))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        found: dict[str, Delivery] = {}
        running = []
        backends: dict[str, Backend] = {"stalled": stalled}
        backends["mqtt"] = MqttBackend(mqtt_settings(), connection)
        backends |= {f"other-{number}": other for number, other in enumerate(others)}
        for name, backend in backends.items():
            dead = DeadLetters(tmp_path / "dead", name)
            delivery = Delivery(name, backend, store, Router(), dead)
            found[name] = await stack.enter_async_context(delivery)
            running.append(tasks.create_task(delivery.run()))
        with broker.listen("towline/pi/logs/#") as listener:
            for start in range(0, TOTAL, 50):
                append(store, numbered(50, start))
                await asyncio.sleep(0)
                if start == 0:
                    await stalled.asked.wait()
            await auntil(lambda: all(len(other.messages) == TOTAL for other in others), 30)
            await auntil(lambda: len(rows(listener)) == TOTAL, 30)
            assert [json.loads(row)["message"] for row in rows(listener)] == numbered(TOTAL)
        assert all(other.messages == numbered(TOTAL) for other in others)
        assert stalled.messages == []
        assert found["stalled"].lag == TOTAL
        healthy = [delivery for name, delivery in found.items() if name != "stalled"]
        assert all(delivery.health.counters["missed"] == 0 for delivery in healthy)
        stalled.let_go.set()  # far behind memory by now: the rest comes from the files
        await auntil(lambda: len(stalled.messages) == TOTAL, 30)
        assert stalled.messages == numbered(TOTAL)
        assert found["stalled"].health.counters["missed"] == 0
        for task in running:
            task.cancel()
