"""Subscriptions as the API manages them: looked at, changed in the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from towline.config.compound import A_NAME, NAME
from towline.config.edit import edited, shown
from towline.config.settings import Settings
from towline.errors import EditError, NotFound
from towline.runtime.configuration import etag_of


class Owner(Protocol):
    """The program around."""

    def config_text(self) -> str:
        """The file as written."""

    async def edit(self, text: bytes, etag: str, actor: str) -> dict[str, Any]:
        """Put another text in the file and bring it into force."""


class Subscriptions:
    """`component` gives what runs under a key."""

    def __init__(
        self,
        owner: Owner,
        settings: Callable[[], Settings],
        component: Callable[[str], Any],
    ) -> None:
        self._owner = owner
        self._settings = settings
        self._component = component

    def of(self, broker: str) -> list[dict[str, Any]]:
        """The subscriptions at a broker, with their counters."""
        self._known(broker)
        held = self._settings().subscriptions
        names = [name for name, each in held.items() if each.broker == broker]
        running = [self._component(f"subscriptions.{name}") for name in names]
        return [found.as_json() for found in running if found is not None]

    async def edit(
        self, broker: str, name: str, wanted: dict[str, Any], etag: str, actor: str
    ) -> dict[str, Any]:
        """Write keys of a subscription into the file and bring them into force.

        Keys that are not given stay as they are, null takes one out. `EditError` where that cannot
        be done, `ConfigError` where the keys are at fault.
        """
        self._known(broker)
        if not NAME.fullmatch(name):
            raise EditError("bad_name", f"expected {A_NAME}")
        text = self._owner.config_text()
        if etag not in ("", "*", etag_of(text.encode())):
            raise EditError("changed_meanwhile", "the file has changed since it was read")
        way = ("subscriptions", name)
        present = shown(text, way)
        if (present or {"broker": broker}).get("broker") != broker:
            raise NotFound(f"no subscription {name!r} at {broker}")
        if wanted.get("broker", broker) != broker:
            raise EditError("other_broker", "a subscription stays at its broker")
        merged = {"broker": broker} | (present or {}) | wanted
        kept = {key: value for key, value in merged.items() if value is not None}
        changed = edited(text, way, kept)
        return await self._owner.edit(changed.encode(), etag_of(text.encode()), actor)

    def _known(self, broker: str) -> None:
        if broker not in self._settings().brokers:
            raise NotFound(f"no broker {broker!r}")
