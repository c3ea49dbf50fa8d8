from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.real.until import auntil
from towline.config.homeassistant import HOMEASSISTANT
from towline.config.settings import Store as StoreSettings
from towline.homeassistant.events import Events
from towline.homeassistant.listening import Allowance, Listening
from towline.homeassistant.names import Place
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, time_text
from towline.status import Health
from towline.store.log import Store

WEB = Origin(
    type=OriginType.CONTAINER, name="web", device="pi", container="web", container_id="c" * 64
)
SYSTEM = Origin(
    type=OriginType.SYSTEM, name="web", device="pi", container="web", container_id="c" * 64
)
ALERTS = Origin(type=OriginType.MANAGER, name="alerts", device="pi")
PLACE = Place("homeassistant", "pi", "web")


class Said(Events):
    """Events as they were put."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def put(self, topic: str, payload: dict[str, Any], *, announced_at: float) -> None:
        self.events.append((topic.rpartition("/")[2], payload))


class Scene:
    """A store in memory, and who listens to it."""

    def __init__(self, store: Store, **config: Any) -> None:
        self.store = store
        self.said = Said()
        self.health = Health()
        self.listening = Listening(
            store, HOMEASSISTANT(config), self.health, time.time, device="pi"
        )

    def say(
        self, text: str, level: str = "info", *, origin: Origin = WEB, fields: str = ""
    ) -> None:
        now = time.time_ns()
        line = Line(text, time_text(now), now // 1_000_000, level=level, fields=fields)
        self.store.append(encode(template_of(origin), [line], self.store.next_offset))

    async def told(self, count: int) -> list[tuple[str, str]]:
        await auntil(lambda: len(self.said.events) >= count, 10, f"{count} events")
        return [(topic, str(payload["event_type"])) for topic, payload in self.said.events]


@asynccontextmanager
async def scene(**config: Any) -> AsyncIterator[Scene]:
    async with Store(StoreSettings(path=Path("nowhere"), persist=False), memory=1000) as store:
        at = Scene(store, **config)
        place = {"web": (PLACE, 0.0)}
        task = asyncio.create_task(at.listening.run(place.get, at.said))
        await asyncio.sleep(0)
        try:
            yield at
        finally:
            task.cancel()


async def test_lines_are_counted_and_errors_are_events() -> None:
    async with scene() as at:
        at.say("hello")
        at.say("it broke", "error")
        assert await at.told(1) == [("log", "error")]
        tally = at.listening.tally("web")
        assert (tally.lines, tally.errors) == (2, 1)
        assert at.said.events[0][1]["message"] == "it broke"


async def test_the_file_says_which_records_are_events() -> None:
    async with scene(events=[{"regex": "door"}, {"level": "warn"}]) as at:
        for text, level in (("it broke", "error"), ("the door opens", "info"), ("odd", "warn")):
            at.say(text, level)
        assert await at.told(2) == [("log", "info"), ("log", "warn")]


async def test_a_container_that_has_no_device_raises_nothing() -> None:
    async with scene() as at:
        other = Origin(type=OriginType.CONTAINER, name="other", device="pi")
        at.say("it broke", "error", origin=other)
        at.say("it broke", "error")
        assert await at.told(1) == [("log", "error")]


async def test_what_bears_its_name_on_another_device_is_another_one() -> None:
    async with scene() as at:
        other = Origin(type=OriginType.CONTAINER, name="web", device="nas")
        at.say("it broke there", "error", origin=other)
        at.say("it broke here", "error")
        assert await at.told(1) == [("log", "error")]
        assert at.said.events[0][1]["message"] == "it broke here"
        assert at.listening.tally("web").errors == at.listening.tally("nas-web").errors == 1


async def test_what_comes_too_often_is_held_back_and_counted() -> None:
    async with scene(event_rate=2) as at:
        for number in range(5):
            at.say(f"it broke {number}", "error")
        await auntil(lambda: at.health.counters["events_held_back"] == 3)
        assert len(at.said.events) == 2


async def test_an_end_that_nobody_asked_for_is_an_incident() -> None:
    async with scene() as at:
        at.say("last words", "error")
        at.say("asked", origin=SYSTEM, fields='{"event":"die","exitCode":143,"signal":15}')
        at.say("well", origin=SYSTEM, fields='{"event":"die","exitCode":0}')
        at.say("crashed", "error", origin=SYSTEM, fields='{"event":"die","exitCode":3}')
        assert await at.told(2) == [("log", "error"), ("incident", "die")]
        incident = at.said.events[1][1]
        assert incident["exit_code"] == 3
        assert incident["stdout"] == ["last words"]


async def test_an_alert_is_an_event_of_the_container_that_raised_it() -> None:
    async with scene() as at:
        fields = '{"alert":"db_down","state":"fired","group":"web"}'
        at.say("alert db_down fired", "warn", origin=ALERTS, fields=fields)
        at.say("over", origin=ALERTS, fields=fields.replace("fired", "resolved"))
        at.say("it broke", "error")
        assert await at.told(2) == [("log", "db_down"), ("log", "error")]


def test_an_allowance_comes_back_with_time() -> None:
    allowance = Allowance(60)
    assert [allowance.take("web", 0.0) for _ in range(61)] == [0] * 60 + [None]
    assert allowance.take("web", 0.5) is None
    assert allowance.take("web", 2.0) == 2
    assert allowance.take("other", 0.0) == 0
