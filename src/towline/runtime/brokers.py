"""Brokers as the API manages them: looked at, tried, changed in the file, connected anew."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from towline.config.brokers import BROKER, SUPERVISOR, Broker
from towline.config.compound import checked
from towline.config.edit import MASK, Tagged, edited, shown
from towline.config.encrypted import Keys
from towline.config.faults import Fault
from towline.config.files import Files
from towline.config.settings import Secret, Settings
from towline.errors import ConfigError, EditError, NotFound, Problem
from towline.runtime.configuration import etag_of
from towline.runtime.messages import Messages
from towline.runtime.subscriptions import Subscriptions
from towline.store.log import Store

if TYPE_CHECKING:
    from towline.broker.connection import Connection
    from towline.broker.servers import Accounts

MOST_TESTS: Final = 5
A_MINUTE: Final = 60.0
_SECRETS: Final = (("password",), ("tls", "key"))


class Owner(Protocol):
    """The program around."""

    @property
    def store(self) -> Store:
        """The log."""

    def config_text(self) -> str:
        """The file as written."""

    async def edit(self, text: bytes, etag: str, actor: str) -> dict[str, Any]:
        """Put another text in the file and bring it into force."""


class Brokers:
    """`component` gives what runs under a key; paths count from `folder`.

    `accounts` says what `servers: [supervisor]` means at the moment.
    """

    def __init__(
        self,
        owner: Owner,
        settings: Callable[[], Settings],
        component: Callable[[str], Any],
        folder: Path,
        environment: Mapping[str, str],
        accounts: Accounts,
    ) -> None:
        self._owner = owner
        self._settings = settings
        self._component = component
        self._folder = folder
        self._environment = environment
        self._accounts = accounts
        self.messages = Messages(settings, component, lambda: owner.store)
        self.subscriptions = Subscriptions(owner, settings, component)
        self._tests: deque[float] = deque(maxlen=MOST_TESTS)

    def all(self) -> list[dict[str, Any]]:
        """Every broker in short."""
        return [self.one(name) | {"status": self.status(name)} for name in self._settings().brokers]

    def one(self, name: str) -> dict[str, Any]:
        """A broker's keys: as written in the file, and as they count. Secrets are masked."""
        broker, why = self._broker(name), None
        try:
            written = shown(self._owner.config_text(), ("brokers", name))
        except (EditError, ConfigError) as exc:
            written, why = None, str(exc)
        return {"name": name, "settings": written, "effective": _shown(broker), "fixed": why}

    def status(self, name: str) -> dict[str, Any]:
        """How its connection is."""
        self._broker(name)
        connection = self._connection(name)
        return connection.facts() if connection else {"state": "starting", "connected": False}

    def reconnect(self, name: str) -> None:
        """Make its connection anew."""
        self._broker(name)
        if connection := self._connection(name):
            connection.reconnect()

    async def test(self, name: str, wanted: dict[str, Any], *, local: bool) -> dict[str, Any]:
        """Try settings, or the saved ones without any; `local`: a person of this machine asks."""
        from towline.broker.guard import Guard
        from towline.broker.probe import probe  # paho and cryptography cost memory
        from towline.broker.report import Report
        from towline.broker.server import server

        self._not_too_often()
        saved = self._settings().brokers.get(name)
        if wanted:
            broker = _of(_unmasked(wanted, saved), name)
        elif saved is None:
            raise NotFound(f"no broker {name!r}")
        else:
            broker = saved
        known = {url for each in self._settings().brokers.values() for url in each.servers}
        if SUPERVISOR in broker.servers:
            try:
                broker = await self._told(broker)
            except OSError as exc:
                return Report(error=str(exc)).as_json()
            known.update(broker.servers)
        guard = Guard({server(url).text for url in known - {SUPERVISOR}}, local=local)
        return await probe(broker, self._settings().device.id, self._folder, guard)

    async def edit(
        self, name: str, wanted: dict[str, Any], etag: str, actor: str
    ) -> dict[str, Any]:
        """Write a broker's keys into the file and bring them into force; `***` stays as it is.

        `EditError` where that cannot be done, `ConfigError` where the keys are at fault.
        """
        text = self._owner.config_text()
        if etag not in ("", "*", etag_of(text.encode())):
            raise EditError("changed_meanwhile", "the file has changed since it was read")
        kept = {key: value for key, value in wanted.items() if value is not None}
        plain = []
        for way in _SECRETS:
            if not _encrypt(kept, way, self._keys, ".".join(("brokers", name, *way))):
                plain.append(".".join(way))
        changed = edited(text, ("brokers", name), kept)
        outcome = await self._owner.edit(changed.encode(), etag_of(text.encode()), actor)
        told = "is in the file in plain text: there is no key for encrypted values"
        return outcome | {"warnings": [f"{way} {told}" for way in plain]}

    async def _told(self, broker: Broker) -> Broker:
        """The broker as Supervisor tells of it now."""
        account = await self._accounts()
        return replace(
            broker,
            servers=account.servers,
            username=account.username,
            password=account.password,
        )

    def _not_too_often(self) -> None:
        now = time.monotonic()
        if len(self._tests) == MOST_TESTS and now - self._tests[0] < A_MINUTE:
            raise EditError("too_many_tests", f"{MOST_TESTS} tests a minute are enough")
        self._tests.append(now)

    @property
    def _keys(self) -> Keys:
        return Keys(Files(), self._folder, self._environment)

    def _broker(self, name: str) -> Broker:
        found = self._settings().brokers.get(name)
        if found is None:
            raise NotFound(f"no broker {name!r}")
        return found

    def _connection(self, name: str) -> Connection | None:
        found: Connection | None = self._component(f"brokers.{name}")
        return found


def _of(wanted: dict[str, Any], name: str) -> Broker:
    """Settings of keys; `ConfigError` with every fault."""
    found, faults = checked(BROKER, wanted)
    if faults:
        raise ConfigError(
            [
                Problem(
                    code=fault.code if isinstance(fault, Fault) else "wrong_value",
                    text=str(fault.msg),
                    path=("brokers", name, *fault.path),
                    hint=fault.hint if isinstance(fault, Fault) else "",
                )
                for fault in faults
            ]
        )
    broker: Broker = found
    return broker


def _unmasked(wanted: dict[str, Any], saved: Broker | None) -> dict[str, Any]:
    """`***` as what is saved; that goes to the saved servers only."""
    tls = wanted.get("tls")
    masked = [wanted.get("username"), wanted.get("password")]
    masked.append(tls.get("key") if isinstance(tls, dict) else None)
    if MASK not in masked:
        return wanted
    servers = wanted.get("servers")
    known = {url.rstrip("/") for url in saved.servers} if saved else set()
    if saved is None or not isinstance(servers, list) or not _canonical(servers) <= known:
        raise EditError("masked_value", "*** stands for what is saved, for the saved servers only")
    found = dict(wanted)
    for key, value in (("username", saved.username), ("password", saved.password)):
        if wanted.get(key) == MASK:
            found[key] = value
    if isinstance(tls, dict) and tls.get("key") == MASK:
        found["tls"] = tls | {"key": saved.tls.key}
    return found


def _canonical(servers: list[Any]) -> set[str]:
    found, _ = checked(BROKER, {"servers": servers})
    return set(found.servers) if isinstance(found, Broker) else {"?"}


def _encrypt(wanted: dict[str, Any], way: tuple[str, ...], keys: Keys, path: str) -> bool:
    """Put a new secret as `!encrypted`; False where it stays readable."""
    for key in way[:-1]:
        inside = wanted.get(key)
        if not isinstance(inside, dict):
            return True
        wanted[key] = wanted = dict(inside)
    value = wanted.get(way[-1])
    if not isinstance(value, str) or value in ("", MASK):
        return True
    try:
        wanted[way[-1]] = Tagged(f"!encrypted {keys.encrypt(value, path)}")
    except Fault:
        return way != ("password",)  # tls.key is mostly a path
    return True


def _shown(value: Any) -> Any:
    """Settings as JSON, secrets masked."""
    if isinstance(value, Secret):
        return str(value)
    if is_dataclass(value):
        return {each.name: _shown(getattr(value, each.name)) for each in fields(value)}
    return list(value) if isinstance(value, tuple) else value
