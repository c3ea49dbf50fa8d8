"""What the Home Assistant part asks of the program it runs in, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from towline.config.settings import Device
from towline.store.log import Store

Tell = Callable[[str, str], None]
"""Put a text and a level on record, as Towline's own word."""


class Watched(Protocol):
    """The running Towline. Mappings are JSON as the API serves it."""

    @property
    def store(self) -> Store:
        """The log."""

    @property
    def device(self) -> Device:
        """This Towline."""

    @property
    def version(self) -> str:
        """The program's version."""

    def status(self) -> dict[str, dict[str, Any]]:
        """Every component by its key."""

    def containers(self) -> list[dict[str, Any]]:
        """Containers that sources know."""

    def sources(self) -> list[dict[str, Any]]:
        """Sources and how they are."""

    def backends(self) -> list[dict[str, Any]]:
        """Backends and how far they got."""

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts and how they are."""

    async def reload(self, actor: str = "api") -> dict[str, Any]:
        """Read the configuration again."""

    async def control(self, container_id: str, what: str, actor: str) -> None:
        """Start, stop or restart a container; returns when the engine has done it."""
