from __future__ import annotations

import asyncio
import json
from typing import Any

from towline.config.settings import Device, Secret
from towline.config.state import State as Pace
from towline.runtime.announce import StatePart
from towline.status import Health


class Broker:
    def __init__(self) -> None:
        self.kept: list[tuple[str, dict[str, Any]]] = []

    def keep(self, topic: str, payload: bytes) -> None:
        self.kept.append((topic, json.loads(payload)))


class Told:
    version = "1.2.3"

    def __init__(self) -> None:
        self.web, self.own = Health(clock=lambda: 1.0), Health(clock=lambda: 1.0)
        self.own.up()
        self.web.up()

    def status(self) -> dict[str, dict[str, Any]]:
        own = self.own.as_json() | {"warnings": [{"text": "odd"}]}
        return {"configuration": own, "backends.web": self.web.as_json()}

    def config_history(self) -> list[dict[str, Any]]:
        return [{"at": 5, "actor": "file", "outcome": "applied", "added": ["x"]}]


async def looks(told: Told, broker: Broker, *changes: str, metrics: float = 0.0) -> None:
    """As many looks as there are changes, and one before."""
    left = list(changes)

    async def sleep(_: float) -> None:
        if not left:
            await asyncio.Event().wait()
        if change := left.pop(0):
            told.web.degraded(change)
        told.web.counters["sent"] += 1

    every = 0.0 if metrics else 10.0
    pace = Pace(publish=every, metrics=metrics, broker="", report_to="", key=Secret(""))
    part = StatePart(
        told, Device(id="pi", name="Pi"), pace, lambda: [broker], sleep=sleep, clock=lambda: 2.0
    )
    async with part:
        running = asyncio.create_task(part.run())
        while left:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_broker_is_told_the_state_of_the_whole_and_of_each_component() -> None:
    broker = Broker()
    await looks(Told(), broker)
    (topic, state), (other, configuration) = broker.kept
    assert (topic, other) == ("towline/pi/state", "towline/pi/config/state")
    assert (state["state"], state["version"], state["device"]["name"]) == ("up", "1.2.3", "Pi")
    assert state["components"]["backends.web"] == {"state": "up", "since": 1000, "reason": None}
    assert configuration["last"] == {"at": 5, "actor": "file", "outcome": "applied"}
    assert (configuration["state"], configuration["warnings"]) == ("up", 1)


async def test_only_what_has_changed_is_told_and_a_counter_is_no_change() -> None:
    broker = Broker()
    await looks(Told(), broker, "", "", "broker gone", "")
    assert [topic for topic, _ in broker.kept] == [
        "towline/pi/state",
        "towline/pi/config/state",
        "towline/pi/state",
    ]
    state = broker.kept[-1][1]
    assert state["state"] == "degraded"
    assert state["components"]["backends.web"]["reason"] == "broker gone"


async def test_counters_are_told_apart_from_states() -> None:
    broker = Broker()
    await looks(Told(), broker, "", metrics=300.0)
    assert [topic for topic, _ in broker.kept] == ["towline/pi/health"] * 2
    assert broker.kept[-1][1] == {
        "at": 2000,
        "state": "up",
        "counters": {"backends.web": {"sent": 1}},
    }
