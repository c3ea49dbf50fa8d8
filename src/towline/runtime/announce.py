"""How this Towline is, told to brokers: states when they change, counters now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, Self

import msgspec

from towline.broker.topics import device_topic
from towline.config.settings import Device
from towline.config.state import State as Pace
from towline.status import Health, worst

_encode = msgspec.json.Encoder().encode
LONGEST_REASON: Final = 500


class Keeper(Protocol):
    """The part of a broker's connection that this needs."""

    def keep(self, topic: str, payload: bytes) -> None:
        """From now on this stands at a topic, retained."""


class Told(Protocol):
    """The program, as far as it is told of."""

    @property
    def version(self) -> str:
        """The program's version."""

    def status(self) -> dict[str, dict[str, Any]]:
        """Every component by its key."""

    def config_history(self) -> list[dict[str, Any]]:
        """How attempts to change the configuration ended, newest first."""


class StatePart:
    """A component that keeps `towline/{device}/state`, `/health` and `/config/state` true."""

    def __init__(
        self,
        told: Told,
        device: Device,
        pace: Pace,
        brokers: Callable[[], Sequence[Keeper]],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.health = Health()
        self._told = told
        self._device = device
        self._pace = pace
        self._brokers = brokers
        self._sleep = sleep
        self._clock = clock
        self._stands: dict[Keeper, dict[str, bytes]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self) -> None:
        """Look, and tell what has changed, until cancelled."""
        self.health.up()
        async with asyncio.TaskGroup() as tasks:
            if self._pace.publish:
                tasks.create_task(self._repeat(self._pace.publish, self._states))
            if self._pace.metrics:
                tasks.create_task(self._repeat(self._pace.metrics, self._counters))

    async def _repeat(self, seconds: float, look: Callable[[], None]) -> None:
        while True:
            look()
            await self._sleep(seconds)

    def _states(self) -> None:
        found = self._told.status()
        self._keep("state", state(self._told.version, self._device, found))
        self._keep("config/state", configuration(found, self._told.config_history()))

    def _counters(self) -> None:
        found = self._told.status()
        counters = {key: part.get("counters") or {} for key, part in found.items()}
        about = {"at": round(self._clock() * 1000), "state": worst(found)}
        self._keep("health", about | {"counters": {key: c for key, c in counters.items() if c}})

    def _keep(self, topic: str, value: dict[str, Any]) -> None:
        payload = _encode(value)
        # a connection that was made anew knows nothing yet; one that is gone is forgotten
        self._stands = {broker: self._stands.get(broker, {}) for broker in self._brokers()}
        for broker, stands in self._stands.items():
            if stands.get(topic) != payload:
                stands[topic] = payload
                self.health.counters["published"] += 1
                broker.keep(device_topic(self._device.id, topic), payload)


def state(version: str, device: Device, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The state of the whole and of each component; nothing in it changes all the time."""
    return {
        "version": version,
        "device": {"id": device.id, "name": device.name},
        "state": worst(found),
        "components": {
            key: {
                "state": part["state"],
                "since": part.get("since"),
                "reason": (part.get("reason") or "")[:LONGEST_REASON] or None,
            }
            for key, part in found.items()
        },
    }


def configuration(
    found: dict[str, dict[str, Any]], history: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Whether what runs is what the file says, the last attempt to change it, and the commit."""
    own = found.get("configuration", {})
    last = history[0] if history else {}
    told = {
        "state": own.get("state"),
        "reason": (own.get("reason") or "")[:LONGEST_REASON] or None,
        "warnings": len(own.get("warnings") or ()),
        "last": {key: last.get(key) for key in ("at", "actor", "outcome")} if last else None,
    }
    git = found.get("git", {}).get("git")
    commit = git.get("commit") if isinstance(git, dict) else None
    return told | ({"commit": commit} if commit else {})
