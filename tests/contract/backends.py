"""Every backend with the real destination it is tested against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from typing import Any, Protocol

from tests.contract.balena import HURRY, LogStreams
from tests.contract.peers import ClickHouse, Collector, Elasticsearch, Loki, Peer
from tests.real.broker import Broker
from tests.real.certificates import Authority
from tests.real.http import HttpPeer
from tests.real.listener import Listener
from tests.real.syslog import Syslog, Trust
from tests.real.until import auntil, until
from towline.backends.balena import KIND, BalenaBackend
from towline.backends.log_stream import Timing
from towline.backends.mqtt import DEFAULT_TOPIC, MqttBackend, MqttSettings, Packing
from towline.broker.connection import Connection
from towline.config.brokers import Broker as BrokerSettings
from towline.config.kinds import Surroundings
from towline.config.settings import Device, Secret
from towline.config.tls import Tls
from towline.kinds import BACKENDS as BACKEND_KINDS
from towline.ports import Backend
from towline.record import Record

Collected = Callable[[int], Awaitable[list[bytes]]]


class Destination(Protocol):
    """What a backend delivers to, under the tests' control."""

    backend: Backend
    once: bool
    """Whether it takes the same record once only."""

    def form(self, record: Record) -> bytes:
        """What a record looks like there."""

    async def away(self) -> None:
        """Make it unreachable."""

    async def back(self) -> None:
        """Make it reachable again and wait until the backend can know."""

    def watched(self) -> AbstractContextManager[Collected]:
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
        "session_expiry": 86400.0,
        "version": "auto",
        "fail_back": 60.0,
        "tls": Tls(ca="", cert="", key=Secret(""), verify=True),
        "alpn": (),
        "will": None,
    }
    return BrokerSettings(**{**given, **members})  # type: ignore[arg-type]


def mqtt_settings(**members: object) -> MqttSettings:
    """An MQTT backend as the schema would give it."""
    given = {"broker": "home", "topic": DEFAULT_TOPIC, "qos": 1, "retain": False, "batch": None}
    return MqttSettings(**{**given, **members})  # type: ignore[arg-type]


@asynccontextmanager
async def connected(
    settings: BrokerSettings, device: str = "pi", *, wait: bool = True, **more: Any
) -> AsyncIterator[Connection]:
    """A connection that runs, as the runtime would run it."""
    async with Connection("home", settings, device, sleep=_soon, **more) as connection:
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

    once = False

    def __init__(self, broker: Broker, connection: Connection, batch: Packing | None) -> None:
        self._broker = broker
        self._connection = connection
        self.backend: Backend = MqttBackend(mqtt_settings(batch=batch), connection)

    def form(self, record: Record) -> bytes:
        return record.json

    async def away(self) -> None:
        self._broker.kill()

    async def back(self) -> None:
        self._broker.start()
        await asyncio.wait_for(self._connection.ready(), 10)

    @contextmanager
    def watched(self) -> Iterator[Collected]:
        with self._broker.listen("towline/#") as listener:

            async def collected(count: int) -> list[bytes]:
                arrived = lambda: len(rows(listener)) >= count  # noqa: E731
                await asyncio.to_thread(until, arrived, 10, f"{count} records")
                return rows(listener)

            yield collected


Opener = Callable[[Path], AbstractAsyncContextManager[Destination]]


def _mqtt(batch: Packing | None) -> Opener:
    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Destination]:
        with Broker(folder / "broker") as broker:
            async with connected(broker_settings(broker.url)) as connection:
                destination = MqttDestination(broker, connection, batch)
                async with destination.backend:
                    yield destination

    return opened


class PeerDestination:
    """A server on loopback behind a backend."""

    def __init__(self, peer: Peer, backend: Backend, *, once: bool) -> None:
        self._peer = peer
        self.backend = backend
        self.once = once

    def form(self, record: Record) -> bytes:
        return record.message.encode()

    async def away(self) -> None:
        await self._peer.stop()

    async def back(self) -> None:
        await self._peer.start()

    @contextmanager
    def watched(self) -> Iterator[Collected]:
        before = len(self._peer.lines())

        async def collected(count: int) -> list[bytes]:
            await auntil(lambda: len(self._peer.lines()) >= before + count, 10, f"{count} lines")
            return self._peer.lines()[before:]

        yield collected


def _http(kind: str, make: Callable[[], HttpPeer], *, once: bool = True) -> Opener:
    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Destination]:
        async with make() as peer, of_kind(kind, folder, url=peer.url) as backend:
            yield PeerDestination(peer, backend, once=once)

    return opened


def kind_of(kind: str, folder: Path, **keys: object) -> Backend:
    """A backend as a configuration would give it, not yet opened."""
    known = BACKEND_KINDS[kind]
    backend: Backend = known.open(kind, known.config(**known.schema(keys)), around(folder))
    return backend


@asynccontextmanager
async def of_kind(kind: str, folder: Path, **keys: object) -> AsyncIterator[Backend]:
    """The same, opened."""
    async with kind_of(kind, folder, **keys) as backend:
        yield backend


def around(folder: Path) -> Surroundings:
    """Surroundings of a device called `pi`."""
    return Surroundings(
        device=Device(id="pi", name="Pi"),
        lookup=dict[str, object]().__getitem__,
        checkpoints=None,
        max_age=86400.0,
        folder=folder,
    )


class SyslogPeer:
    """A rsyslogd as a peer."""

    def __init__(self, server: Syslog, scheme: str) -> None:
        self._server = server
        self.url = f"{scheme}://{server.address}"

    def lines(self) -> list[bytes]:
        return [row["msg"].encode() for row in self._server.rows()]

    async def start(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def stop(self) -> None:
        await asyncio.to_thread(self._server.kill)


def trusted(folder: Path) -> tuple[Trust, dict[str, object]]:
    """What a server and its client need to know each other."""
    authority = Authority(folder)
    server, client = authority.issue("server"), authority.issue("client")
    ours = {"ca": str(authority.ca), "cert": str(client[0]), "key": str(client[1])}
    return Trust(authority.ca, *server), {"tls": ours}


def _syslog(scheme: str, **keys: object) -> Opener:
    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Destination]:
        trust, more = trusted(folder / "trust") if scheme == "tls" else (None, {})
        with Syslog(folder / "syslog", trust) as server:
            peer = SyslogPeer(server, scheme)
            async with of_kind("syslog", folder, url=peer.url, **more, **keys) as backend:
                yield PeerDestination(peer, backend, once=False)

    return opened


@asynccontextmanager
async def balena(
    folder: Path,
    url: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    **timing: Any,
) -> AsyncIterator[Backend]:
    """A backend of type `balena` that is in a hurry."""
    settings = KIND.config(**KIND.schema({"url": url, "uuid": "abc123", "key": "device-key"}))
    async with BalenaBackend(settings, folder, Timing(**(HURRY | timing)), sleep) as backend:
        yield backend


@asynccontextmanager
async def _balena(folder: Path) -> AsyncIterator[Destination]:
    async with LogStreams() as peer, balena(folder, peer.url) as backend:
        yield PeerDestination(peer, backend, once=False)


BACKENDS: dict[str, Opener] = {
    "mqtt": _mqtt(None),
    "mqtt-batched": _mqtt(Packing(max_age=1.0, max_records=50, compression="none")),
    "loki": _http("loki", Loki),
    "elasticsearch": _http("elasticsearch", Elasticsearch),
    "otlp": _http("otlp", Collector, once=False),
    "clickhouse": _http("clickhouse", ClickHouse),
    "balena": _balena,
    "syslog": _syslog("tcp"),
    "syslog-lines": _syslog("tcp", framing="lf"),
    "syslog-tls": _syslog("tls"),
}
