"""What runs and how it is, as people are told of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from towline.alerts.alert import Alert
from towline.config.settings import Settings
from towline.delivery.delivery import Delivery
from towline.errors import NotFound
from towline.ports import Component, Queryable, Unheard
from towline.record import record_id
from towline.runtime.intake import SourcePart
from towline.runtime.reconcile import Reconciler
from towline.status import Reports


@runtime_checkable
class Completes(Protocol):
    """A component that knows more of containers than their sources do."""

    def completed(
        self, rows: Sequence[dict[str, Any]], sources: Sequence[Unheard]
    ) -> list[dict[str, Any]]:
        """The rows with that, and those of containers that sources have not heard of yet."""


class Overview:
    """Looks at the running components. Mappings are JSON as the API serves it."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    def parts(self) -> dict[str, Component]:
        """The running components by key: what a reload has not touched is the very same object."""
        slots = self._reconciler.slots.items()
        return {key: slot.component for key, slot in slots if slot.component is not None}

    def status(self) -> dict[str, dict[str, Any]]:
        """How every component is that has something to say about it."""
        return {
            key: health | {"restarts": slot.restarts}
            for key, slot in self._reconciler.slots.items()
            if (health := self._health(key))
        }

    def containers(self) -> list[dict[str, Any]]:
        """Containers that sources know."""
        rows = [row for source in self._docker() for row in source.containers()]
        more = self._reconciler.component("supervisor")
        if not isinstance(more, Completes):
            return rows
        return more.completed(rows, [each for each in self._docker() if isinstance(each, Unheard)])

    def sources(self, settings: Settings) -> list[dict[str, Any]]:
        """Sources and how they are."""
        return [
            {"name": name, "type": entry.type, **self._health(f"sources.{name}")}
            for name, entry in settings.sources.items()
        ]

    def ingests(self) -> list[Any]:
        """Running sources that devices send their lines to."""
        parts = self.parts().values()
        found = [part.source for part in parts if isinstance(part, SourcePart)]
        return [source for source in found if hasattr(source, "admits")]

    def backends(self, settings: Settings) -> list[dict[str, Any]]:
        """Backends, how they are and how far they got."""
        rows = []
        for name, entry in settings.backends.items():
            delivery = self._reconciler.component(f"backends.{name}")
            if isinstance(delivery, Delivery):
                about = {
                    "name": name,
                    "type": entry.type,
                    "queryable": isinstance(delivery.backend, Queryable),
                    "cursor": record_id(delivery.cursor),
                    "lag": delivery.lag,
                    "paused": delivery.paused,
                    "dead": delivery.dead.count,
                }
                rows.append(about | delivery.health.as_json())
        return rows

    def alerts(self, settings: Settings) -> list[dict[str, Any]]:
        """Alerts, how they are, when they fired last and what became of their actions."""
        rows = []
        for name in settings.alerts:
            alert = self._reconciler.component(f"alerts.{name}")
            if isinstance(alert, Alert):
                rows.append(alert.as_json())
        return rows

    def delivery(self, name: str) -> Delivery:
        """The running delivery of a backend."""
        delivery = self._reconciler.component(f"backends.{name}")
        if not isinstance(delivery, Delivery):
            raise NotFound(f"no backend {name!r}")
        return delivery

    def source_of(self, container_id: str) -> Any:
        """The running source that knows a container."""
        for source in self._docker():
            if source.knows(container_id):
                return source
        raise NotFound(f"no container {container_id!r}")

    async def view(self, container: str) -> None:
        """Tell its source that somebody views a container; where none knows it, nobody."""
        for source in self._docker():
            if hasattr(source, "view") and source.knows(container):
                await source.view(container)

    def _health(self, key: str) -> dict[str, Any]:
        component = self._reconciler.component(key)
        return component.health.as_json() if isinstance(component, Reports) else {}

    def _docker(self) -> Iterator[Any]:
        """Running sources of containers."""
        for part in self.parts().values():
            if isinstance(part, SourcePart) and hasattr(part.source, "containers"):
                yield part.source
