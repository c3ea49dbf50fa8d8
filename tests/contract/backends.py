"""Every backend with the real destination it is tested against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from typing import Protocol

from tests.real.broker import Broker
from tests.real.listener import Listener
from tests.real.until import until
from towline.backends.mqtt import DEFAULT_TOPIC, Batching, MqttBackend, MqttSettings
from towline.broker.connection import Connection
from towline.config.settings import Broker as BrokerSettings
from towline.config.settings import Secret
from towline.ports import Backend


class Destination(Protocol):
    """What a backend delivers to, under the tests' control."""

    backend: Backend

    def away(self) -> None:
        """Make it unreachable."""

    async def back(self) -> None:
        """Make it reachable again and wait until the backend can know."""

    def watched(self) -> AbstractContextManager[Callable[[int], list[bytes]]]:
        """Collect what arrives: the function waits for so many records and returns all of them."""


def broker_settings(*urls: str, **members: object) -> BrokerSettings:
    """A broker as the schema would give it."""
    given = {
        "servers": urls,
        "username": "",
        "password": Secret(""),
        "client_id": "towline-{device}",
        "keep_alive": 60.0,
        "clean_session": False,
        "version": "auto",
    }
    return BrokerSettings(**{**given, **members})  # type: ignore[arg-type]


def mqtt_settings(**members: object) -> MqttSettings:
    """An MQTT backend as the schema would give it."""
    given = {"broker": "home", "topic": DEFAULT_TOPIC, "qos": 1, "retain": False, "batch": None}
    return MqttSettings(**{**given, **members})  # type: ignore[arg-type]


@asynccontextmanager
async def connected(
    settings: BrokerSettings, device: str = "pi", *, wait: bool = True
) -> AsyncIterator[Connection]:
    """A connection that runs, as the runtime would run it."""
    async with Connection("home", settings, device, sleep=_soon) as connection:
        running = asyncio.create_task(connection.run())
        try:
            if wait:
                await asyncio.wait_for(connection.ready(), 10)
            yield connection
        finally:
            connection.drain()
            await asyncio.wait_for(running, 5)


async def _soon(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.05))


def rows(listener: Listener) -> list[bytes]:
    """The records of all messages, those of batches taken apart."""
    found: list[bytes] = []
    for message in list(listener.messages):
        if message.topic.endswith("/batch"):
            body = message.payload.partition(b'"logs":[')[2][:-2]
            count = message.json()["count"]
            parts = body.split(b'},{"id"')
            assert count == len(message.json()["logs"]) == len(parts)
            found += [
                (b"" if n == 0 else b'{"id"') + part + (b"" if n == count - 1 else b"}")
                for n, part in enumerate(parts)
            ]
        elif "/logs/" in message.topic:
            found.append(message.payload)
    return found


class MqttDestination:
    """Mosquitto behind a backend of type `mqtt`."""

    def __init__(self, broker: Broker, connection: Connection, batch: Batching | None) -> None:
        self._broker = broker
        self._connection = connection
        self.backend: Backend = MqttBackend(mqtt_settings(batch=batch), connection)

    def away(self) -> None:
        self._broker.kill()

    async def back(self) -> None:
        self._broker.start()
        await asyncio.wait_for(self._connection.ready(), 10)

    @contextmanager
    def watched(self) -> Iterator[Callable[[int], list[bytes]]]:
        with self._broker.listen("towline/#") as listener:

            def collected(count: int) -> list[bytes]:
                until(lambda: len(rows(listener)) >= count, 10, f"{count} records")
                return rows(listener)

            yield collected


Opener = Callable[[Path], AbstractAsyncContextManager[Destination]]


def _mqtt(batch: Batching | None) -> Opener:
    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Destination]:
        with Broker(folder / "broker") as broker:
            async with connected(broker_settings(broker.url)) as connection:
                destination = MqttDestination(broker, connection, batch)
                async with destination.backend:
                    yield destination

    return opened


BACKENDS: dict[str, Opener] = {
    "mqtt": _mqtt(None),
    "mqtt-batched": _mqtt(Batching(max_age=1.0, max_records=50)),
}
