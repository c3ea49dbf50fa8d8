"""A Towline for the API's tests: a real store, and beside it what the tests say."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.unit.config.kinds import loaded
from towline.api.application import application
from towline.api.auth import Gate
from towline.api.desk import Desk
from towline.audit.trail import Trail
from towline.config.settings import Device, Token
from towline.config.settings import Store as StoreSettings
from towline.delivery.delivery import Delivery
from towline.errors import ConfigError, EditError, NotFound, Problem
from towline.live.viewers import Viewers
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, Record, time_text
from towline.runtime.configuration import etag_of
from towline.runtime.messages import Messages
from towline.status import Health
from towline.store.log import Store
from towline.store.query import Query
from towline.store.removal import remove

NOW = 1_700_000_000_000
WEB = Origin(
    type=OriginType.CONTAINER,
    name="web",
    device="pi",
    app="1001",
    project="shop",
    service_id=7,
    service="web",
    container_id="a" * 64,
    container="shop-web-1",
    image="shop/web:3",
    source="docker",
)
DB = Origin(
    type=OriginType.CONTAINER,
    name="db",
    device="pi",
    project="shop",
    service="db",
    container_id="b" * 64,
    container="shop-db-1",
    source="docker",
)


class SubscriptionsOfTheWorld:
    """One subscription at `home`, and what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.error: Exception | None = None

    def of(self, broker: str) -> list[dict[str, Any]]:
        if broker != "home":
            raise NotFound(f"no broker {broker!r}")
        return [{"id": "restart_web", "counters": {"received": 2}}]

    async def edit(
        self, broker: str, name: str, wanted: dict[str, Any], etag: str, actor: str
    ) -> dict[str, Any]:
        if self.error:
            raise self.error
        self.asked.append((broker, name, wanted, etag, actor))
        return {"outcome": "applied"}


class BrokersOfTheWorld:
    """One broker, `home`, and what was asked of it."""

    def __init__(self, store: Store) -> None:
        self.subscriptions = SubscriptionsOfTheWorld()
        settings = loaded("version: 1\nbrokers: {home: {servers: [mqtt://nas]}}\n")
        self.messages = Messages(lambda: settings, lambda _: None, lambda: store)
        self.asked: list[tuple[object, ...]] = []
        self.error: Exception | None = None

    def all(self) -> list[dict[str, Any]]:
        return [self.one("home") | {"status": self.status("home")}]

    def one(self, name: str) -> dict[str, Any]:
        self._known(name)
        return {"name": name, "settings": {"password": "***"}, "effective": {}, "fixed": None}

    def status(self, name: str) -> dict[str, Any]:
        self._known(name)
        return {"connected": True}

    def reconnect(self, name: str) -> None:
        self._known(name)
        self.asked.append(("reconnect", name))

    async def test(self, name: str, wanted: dict[str, Any], *, local: bool) -> dict[str, Any]:
        if self.error:
            raise self.error
        self.asked.append(("test", name, wanted, local))
        return {"status": "failed", "connected": False, "error": "a:1: tcp: connection refused"}

    async def edit(
        self, name: str, wanted: dict[str, Any], etag: str, actor: str
    ) -> dict[str, Any]:
        if self.error:
            raise self.error
        self.asked.append(("edit", name, wanted, etag, actor))
        return {"outcome": "applied", "warnings": []}

    def _known(self, name: str) -> None:
        if name != "home":
            raise NotFound(f"no broker {name!r}")


class OperationsOfTheWorld:
    """`web` may be controlled; what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.error: Exception | None = None

    def controllable(self) -> Callable[[dict[str, Any]], bool]:
        return lambda row: row["serviceName"] == "web"

    async def control_one(self, container_id: str, what: str, actor: str) -> None:
        if self.error:
            raise self.error
        self.asked.append((container_id, what, actor))


class World:
    """What the API sees of Towline."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.device = Device(id="pi", name="Living room Pi")
        self.version = "1.2.3"
        self.brokers = BrokersOfTheWorld(store)
        self.audit = Trail(None)
        self.operations = OperationsOfTheWorld()
        self.is_ready = True
        self.reload_error: ConfigError | None = None
        self.text = "version: 1\nbrokers: {home: {password: !secret mqtt}}\n"
        self.actor = ""
        self.tried = b"", ""
        self.viewed: list[str] = []
        self.attached: dict[str, tuple[int | None, str | None]] = {}
        self.holders: dict[str, object] = {"mqtt": object()}
        self.clock = NOW
        self.notes: list[str] = []
        self.senders: list[Any] = []
        self.deliveries: dict[str, Delivery] = {}
        self.more_status: dict[str, dict[str, Any]] = {}

    def ingests(self) -> list[Any]:
        return self.senders

    def say(
        self, *texts: str, origin: Origin = WEB, level: str = "info", stderr: bool = False
    ) -> list[Record]:
        """Lines of an origin, a second apart, straight into the store."""
        lines = []
        for text in texts:
            self.clock += 1000
            when = time_text(self.clock * 1_000_000)
            lines.append(Line(text, when, self.clock, stderr=stderr, seq=1, level=level))
        records = encode(template_of(origin), lines, self.store.next_offset)
        self.store.append(records)
        return records

    def status(self) -> dict[str, dict[str, Any]]:
        up, away = Health(), Health()
        up.up()
        up.counters["records"] = 42
        away.degraded("connection refused")
        own = {"sources.docker": up.as_json(), "backends.mqtt": away.as_json()}
        return own | self.more_status

    def ready(self) -> bool:
        return self.is_ready

    def containers(self) -> list[dict[str, Any]]:
        return [
            {
                "id": origin.container_id,
                "name": origin.container,
                "image": origin.image,
                "state": "running",
                "device": origin.device,
                "running": True,
                "serviceName": origin.service,
                "project": origin.project,
                "app": origin.app,
                "source": origin.source,
                "attached": True,
            }
            for origin in (WEB, DB)
        ]

    def sources(self) -> list[dict[str, Any]]:
        return [{"name": "docker", "type": "docker", **self.status()["sources.docker"]}]

    def backends(self) -> list[dict[str, Any]]:
        health = self.status()["backends.mqtt"]
        cursor = f"{self.store.next_offset:016x}"
        about = {"name": "mqtt", "type": "mqtt", "queryable": False, "cursor": cursor, "lag": 3}
        return [about | health]

    def alerts(self) -> list[dict[str, Any]]:
        health = self.status()["sources.docker"]
        about = {"name": "db_down", "enabled": True, "firing": [], "lag": 0, "actions": []}
        return [about | health | {"lastFired": NOW}]

    def backend(self, name: str) -> object:
        if name not in self.holders:
            raise NotFound(f"backends.{name}: unknown")
        return self.holders[name]

    def delivery(self, name: str) -> Delivery:
        if name not in self.deliveries:
            raise NotFound(f"backends.{name}: unknown")
        return self.deliveries[name]

    async def remove(self, query: Query) -> int:
        return await remove(self.store, query)

    def note(self, text: str) -> None:
        self.notes.append(text)

    async def view(self, container: str) -> None:
        self.viewed.append(container)

    async def attach(
        self, container_id: str, service_id: int | None, service_name: str | None
    ) -> None:
        if container_id not in {WEB.container_id, DB.container_id}:
            raise NotFound(f"{container_id}: unknown container")
        self.attached[container_id] = (service_id, service_name)

    async def detach(self, container_id: str) -> None:
        if self.attached.pop(container_id, None) is None:
            raise NotFound(f"{container_id}: unknown container")

    async def reload(self, actor: str = "api") -> dict[str, Any]:
        if self.reload_error:
            raise self.reload_error
        return {"outcome": "applied", "added": [], "changed": ["backends.loki"], "kept": 4}

    def config_text(self) -> str:
        return self.text

    async def edit(self, text: bytes, etag: str, actor: str) -> dict[str, Any]:
        if etag not in ("*", etag_of(self.text.encode())):
            raise EditError("changed_meanwhile", "the file has changed since it was read")
        self.text, self.actor = text.decode(), actor
        return await self.reload()

    async def check(self, text: bytes, called: str) -> tuple[Problem, ...]:
        self.tried = text, called
        return self.reload_error.problems if self.reload_error else ()

    async def plan(self, text: bytes, called: str) -> dict[str, Any]:
        self.tried = text, called
        if self.reload_error:
            raise self.reload_error
        return {"changes": False, "kept": ["api"]}

    def routing(self) -> dict[str, Any]:
        return {"backends": ["mqtt"], "routes": []}

    def config_history(self) -> list[dict[str, Any]]:
        return [{"at": 1, "actor": "start", "outcome": "applied"}]


@asynccontextmanager
async def world(folder: Path, *, memory: int = 1000, persist: bool = False) -> AsyncIterator[World]:
    """A world with an open store, in memory alone unless it is to persist."""
    async with Store(StoreSettings(path=folder, persist=persist), memory=memory) as store:
        yield World(store)


def token(text: str, *scopes: str) -> Token:
    """A token as the file has it."""
    return Token(name=text, hash=hashlib.sha256(text.encode()).hexdigest(), scopes=scopes)


def client(
    world: World,
    *,
    tokens: tuple[Token, ...] = (),
    host: str = "127.0.0.1",
    peer: str = "127.0.0.1",
) -> httpx.AsyncClient:
    """An HTTP client straight into the application, from an address of your choice."""
    gate = Gate(tokens, host=host, names=("pi", "pi.local"), ingress="172.30.32.2")
    app = application(Desk(towline=world, viewers=Viewers(), gate=gate))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(peer, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8099")
