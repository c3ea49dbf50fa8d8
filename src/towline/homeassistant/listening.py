"""What the store's records mean to Home Assistant: tallies, events of logs, incidents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from glob import escape
from typing import Any, Final, Literal

import msgspec

from towline.config.homeassistant import HomeAssistant
from towline.config.settings import Match
from towline.homeassistant.entities import INCIDENTS
from towline.homeassistant.events import Events
from towline.homeassistant.names import Place, called
from towline.homeassistant.tally import ATTRIBUTE_LENGTH, Tally
from towline.pipeline.match import Test, compile_match
from towline.record import Origin, OriginType, Record
from towline.status import Health
from towline.store.log import Store
from towline.store.query import Query

AT_ONCE: Final = 1000
ORIGINS: Final = 4096
LINES: Final = 20
"""Lines of each stream that an incident carries."""

LINE_LENGTH: Final = 300
SETTLE: Final = 0.5
"""Seconds for the last lines of a container to arrive behind its end."""

LOOK_BACK: Final = 3_600_000
ALERTS: Final = "alerts"
"""The origin's name of records that tell of alerts."""

PlaceOf = Callable[[str], tuple[Place, float] | None]


class _Fields(msgspec.Struct):
    fields: dict[str, Any] = {}


_fields = msgspec.json.Decoder(_Fields).decode


class Allowance:
    """So many events a minute of each container; the rest is counted and told with the next."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._left: dict[str, tuple[float, float, int]] = {}

    def take(self, name: str, now: float) -> int | None:
        """How many were held back before this one, or None when it is held back, too."""
        left, at, held = self._left.get(name, (float(self._rate), now, 0))
        left = min(float(self._rate), left + (now - at) * self._rate / 60)
        if left < 1:
            self._left[name] = left, now, held + 1
            return None
        self._left[name] = left - 1, now, 0
        return held

    def forget(self, name: str) -> None:
        """The container is gone."""
        self._left.pop(name, None)


class Listening:
    """Reads the store from now on, at its own pace."""

    def __init__(
        self,
        store: Store,
        config: HomeAssistant,
        health: Health,
        clock: Callable[[], float],
        *,
        device: str,
    ) -> None:
        self._store = store
        self._device = device
        self._clock = clock
        self._health = health
        self._matchers = [compile_match(match) for match in config.events]
        self._allowance = Allowance(config.event_rate)
        self._tallies: dict[str, Tally] = {}
        self._decided: dict[int, tuple[Origin, list[Literal[True] | Test]]] = {}
        self._bell = asyncio.Event()

    def _called(self, origin: Origin) -> str:
        return called(origin.name, origin.device, self._device)

    def tally(self, name: str) -> Tally:
        """What a container's log amounts to."""
        return self._tallies.setdefault(name, Tally())

    def forget(self, name: str) -> None:
        """The container is gone."""
        self._tallies.pop(name, None)
        self._allowance.forget(name)

    def stir(self) -> None:
        """Have a look made at once."""
        self._bell.set()

    async def stirred(self) -> None:
        """Until something happened that is worth a look."""
        await self._bell.wait()
        self._bell.clear()

    async def run(self, place_of: PlaceOf, events: Events) -> None:
        """Until cancelled; a burst that outruns this is counted by what memory still holds."""
        self._place_of, self._events = place_of, events
        reader = self._store.reader(self._store.next_offset, memory_only=True)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            while True:
                await reader.wait()
                for record in await reader.take(AT_ONCE):
                    self._heed(record)
                self._health.counters["missed"] = reader.missed
                await asyncio.sleep(0)

    def _heed(self, record: Record) -> None:
        origin = record.origin
        if origin.type == OriginType.CONTAINER:
            self.tally(self._called(origin)).add(record, self._clock())
            if any(verdict is True or verdict(record) for verdict in self._verdicts(origin)):
                self._tell(record)
        elif origin.type == OriginType.SYSTEM and origin.container:
            self._bell.set()
            found = _fields(record.json).fields
            if found.get("event") in INCIDENTS:
                self._tasks.create_task(self._incident(record, found))
        elif origin.type == OriginType.MANAGER:
            self._bell.set()
            if origin.name == ALERTS:
                self._alert(record)

    def _verdicts(self, origin: Origin) -> list[Literal[True] | Test]:
        """What decides on an origin's events. By identity: hashing an origin is not cheap."""
        known = self._decided.get(id(origin))
        if known is None:
            if len(self._decided) >= ORIGINS:
                self._decided.clear()
            found = [matcher.of(origin) for matcher in self._matchers]
            known = origin, [verdict for verdict in found if verdict is not False]
            self._decided[id(origin)] = known
        return known[1]

    def _tell(self, record: Record) -> None:
        origin = record.origin
        name = self._called(origin)
        place = self._place_of(name)
        if place is None:
            return
        held = self._allowance.take(name, self._clock())
        if held is None:
            self._health.counters["events_held_back"] += 1
            return
        payload = _event(record.level, record) | {"held_back": held}
        self._events.put(place[0].event("log"), payload, announced_at=place[1])

    def _alert(self, record: Record) -> None:
        """An alert that a container's records or events raised is an event of that container."""
        found = _fields(record.json).fields
        place = self._place_of(str(found.get("group")))
        if place is not None and found.get("state") == "fired":
            payload = _event(str(found.get("alert")), record)
            self._events.put(place[0].event("log"), payload, announced_at=place[1])

    async def _incident(self, record: Record, found: dict[str, Any]) -> None:
        """What happened, with the last lines of both streams."""
        place = self._place_of(self._called(record.origin))
        if place is None or (found["event"] == "die" and not _failed(found)):
            return
        await asyncio.sleep(SETTLE)
        payload = _event(str(found["event"]), record) | {
            "exit_code": found.get("exitCode"),
            "oom": bool(found.get("oom")),
            "image": record.origin.image,
            "stdout": await self._last(record, "stdout"),
            "stderr": await self._last(record, "stderr"),
        }
        self._events.put(place[0].event("incident"), payload, announced_at=place[1])

    async def _last(self, record: Record, stream: str) -> list[str]:
        query = Query(
            match=Match(
                name=(escape(record.origin.name),),
                device=(escape(record.origin.device),),
                stream=(stream,),
            ),
            source_type=(str(OriginType.CONTAINER),),
            since=record.timestamp - LOOK_BACK,
            limit=LINES,
        )
        page = await self._store.query(query)
        return [one.message[:LINE_LENGTH] for one in reversed(page.records)]


def _failed(found: dict[str, Any]) -> bool:
    """An end that nobody asked for."""
    by_code = found.get("exitCode") not in (0, None) and not found.get("signal")
    return by_code or bool(found.get("failed"))  # Supervisor tells of a failure, not of its code


def _event(kind: str, record: Record) -> dict[str, Any]:
    return {
        "event_type": kind,
        "message": record.message[:ATTRIBUTE_LENGTH],
        "level": record.level,
        "stream": "stderr" if record.stderr else "stdout",
        "timestamp": record.timestamp,
        "id": record.id,
    }
