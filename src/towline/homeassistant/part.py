"""The component that keeps Home Assistant informed and hears what it wants."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from towline.broker.connection import Connection
from towline.broker.incoming import Incoming
from towline.broker.topics import status_topic
from towline.config.homeassistant import HomeAssistant
from towline.errors import DeliveryError
from towline.homeassistant.choice import Chosen
from towline.homeassistant.commands import Commands
from towline.homeassistant.devices import Devices
from towline.homeassistant.entities import Describer
from towline.homeassistant.events import Events
from towline.homeassistant.facts import (
    Losses,
    Restarts,
    container_state,
    is_news,
    lost_in,
    problem,
    towline_state,
)
from towline.homeassistant.listening import Listening
from towline.homeassistant.memory import Memory
from towline.homeassistant.names import Place, called
from towline.homeassistant.ports import Tell, Watched
from towline.homeassistant.tally import ATTRIBUTE_LENGTH
from towline.homeassistant.words import Words
from towline.status import Health

LOOK: Final = 2.0
"""Seconds between two looks at what there is."""

BIRTH_DELAY: Final = 5.0
"""Seconds at most until a Home Assistant that comes up is told everything again."""

PIECE: Final = 20
PIECE_PAUSE: Final = 0.2


class HomeAssistantPart:
    """Announces devices, keeps their states, passes events on and obeys.

    It leans on one broker; while that is away states wait in the connection, events go.
    """

    def __init__(
        self,
        config: HomeAssistant,
        towline: Watched,
        connection: Connection,
        tell: Tell,
        file: Path | None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.health = Health()
        self._config = config
        self._towline = towline
        self._connection = connection
        self._clock = clock
        self._tell = tell
        self._words = Words(config.language)
        self._chosen = Chosen(config, towline.store.labels)
        self._memory = Memory(file)
        self._kept: dict[str, bytes] = {}
        self._devices = Devices(self._memory, self._keep)
        self._listening = Listening(
            towline.store, config, self.health, clock, device=towline.device.id
        )
        self._events = Events(connection, self.health)
        self._restarts = Restarts()
        self._losses = Losses()
        self._stated: dict[str, float] = {}
        self._home = Place(config.prefix, towline.device.id)
        self._places: dict[str, Place] = {}
        self._describer = Describer(
            words=self._words,
            version=towline.version,
            status=status_topic(towline.device.id),
            host=self._home,
            host_name=towline.device.name,
        )
        self._commands = Commands(self, config, towline, self._chosen, self._words, tell)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self) -> None:
        """Until cancelled."""
        # only now: a predecessor has written it to its end
        await asyncio.to_thread(self._memory.load)
        self.health.up()
        prefix, node = self._config.prefix, self._home.node
        listeners = {
            f"{prefix}/status": self._on_birth,
            f"{prefix}/device/{node}/+/config": self._on_config,
            **dict.fromkeys(self._commands.filters(self._home), self._commands.take),
        }
        subscriptions = [self._connection.subscribe(*one) for one in listeners.items()]
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._listening.run(self._place_of, self._events), name="listen")
                tasks.create_task(self._events.run(), name="events")
                tasks.create_task(self._commands.run(), name="commands")
                await self._keep_up()
        finally:
            for subscription in subscriptions:
                self._connection.unsubscribe(subscription)
            await asyncio.to_thread(self._memory.save)

    async def _keep_up(self) -> None:
        while True:
            self._look()
            await asyncio.to_thread(self._memory.save)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._listening.stirred()

    def _look(self) -> None:
        """Compare what there is with what was announced, and say what differs."""
        now = self._clock()
        self._show_towline(now)
        kinds = {
            str(row["name"]): str(row["type"]) if row.get("state") == "up" else ""
            for row in self._towline.sources()
        }
        rows = {self.called(row): row for row in self._towline.containers() if self._chosen(row)}
        for name, row in rows.items():
            self._show(name, row, now, known=bool(kinds.get(str(row["source"]))))
        wanted = {self.place(name).discovery for name in rows}
        for topic, known in self._memory:
            if topic not in wanted and topic != self._home.discovery:
                kind = kinds.get(known.source, "gone")
                if self._devices.miss(topic, kind, now):
                    self._clear(topic, known.name)
        self.health.counters["devices"] = len(wanted) + 1

    def _show_towline(self, now: float) -> None:
        status, backends = self._towline.status(), self._towline.backends()
        level = logging.getLevelName(logging.getLogger("towline").getEffectiveLevel()).lower()
        lost = self._losses.of(lost_in(status), now)
        state = towline_state(status, backends, lost=lost, log_level=level)
        state["store_size"] = self._towline.store.files.size
        brokers = [key.partition(".")[2] for key in status if key.startswith("brokers.")]
        message = self._describer.towline(state, [str(row["name"]) for row in backends], brokers)
        name = self._towline.device.name
        if not self._devices.want(self._home, message, name=name, source="", now=now):
            return
        if self._due(self._home, ("configuration", "commit", "log_level"), state, now):
            self._keep(self._home.state, _encoded(state))
        self._keep(self._home.attributes("problem"), _encoded(problem(status)))

    def _show(self, name: str, row: dict[str, Any], now: float, *, known: bool) -> None:
        place = self.place(name)
        controls = self._config.controls and self._chosen.may_control(row)
        alerts = [str(alert["name"]) for alert in self._towline.alerts()]
        message = self._describer.container(place, row, controls=controls, alerts=alerts)
        shown = {"name": name, "source": str(row["source"])}
        if not self._devices.want(place, message, now=now, **shown):
            return
        self._keep(place.availability, b"online" if known else b"offline")
        tally = self._listening.tally(name)
        told = container_state(row, loops=self._restarts.loops(row, now))
        state = told | tally.as_state(now)
        if self._due(place, tuple(told), state, now):
            self._keep(place.state, _encoded(state))
            error = tally.last_error
            if error is not None:
                about = {"message": error.message, "timestamp": error.timestamp, "id": error.id}
                about["message"] = error.message[:ATTRIBUTE_LENGTH]
                self._keep(place.attributes("last_error"), _encoded(about))

    def _due(
        self, place: Place, urgent: tuple[str, ...], state: dict[str, Any], now: float
    ) -> bool:
        before = self._kept.get(place.state)
        waited = now - self._stated.get(place.state, 0.0)
        due = before is None or is_news(json.loads(before), state, urgent, waited)
        if due:
            self._stated[place.state] = now
        return due

    def _clear(self, topic: str, name: str) -> None:
        """Leave nothing behind of a device that is gone."""
        place = self._places.pop(name, None) or Place(
            self._config.prefix, self._towline.device.id, name
        )
        for left in place.kept:
            self._connection.keep(left, b"")
            self._kept.pop(left, None)
        self._listening.forget(name)
        self._restarts.forget(name)

    def _keep(self, topic: str, payload: bytes) -> None:
        """At a topic from now on; nothing is sent twice."""
        if self._kept.get(topic) != payload:
            self._connection.keep(topic, payload)
            self._kept[topic] = payload
            self.health.counters["published"] += 1

    def _place_of(self, name: str) -> tuple[Place, float] | None:
        """Where a container's events go, and when it was announced; None when it is not."""
        place = self._places.get(name)
        at = self._devices.announced_at.get(place.discovery) if place else None
        return None if place is None or at is None else (place, at)

    def _on_birth(self, message: Incoming) -> None:
        """Home Assistant has come up: tell it everything, a little later and not all at once."""
        if message.payload == b"online" and not message.retained:
            self._tasks.create_task(self._tell_again(), name="birth")

    async def _tell_again(self) -> None:
        self.health.counters["births"] += 1
        await asyncio.sleep(random.uniform(0.5, BIRTH_DELAY))
        announced = dict(self._devices.all())
        first = list(announced.items())
        rest = [(topic, held) for topic, held in self._kept.items() if topic not in announced]
        messages = [*first, *((topic, held) for topic, held in rest if held)]
        for at in range(0, len(messages), PIECE):
            with suppress(DeliveryError):
                await self._connection.publish_all(messages[at : at + PIECE], retain=True)
            await asyncio.sleep(PIECE_PAUSE)

    def _on_config(self, message: Incoming) -> None:
        if message.retained:
            return
        name = self._devices.heard(message.topic, message.payload)
        if name:
            self._kept.pop(message.topic, None)
            self._connection.let_go(message.topic)
            self._tell(self._words.message("device_deleted", name=name), "info")

    def clear(self, topic: str) -> None:
        """Let the broker keep nothing there."""
        self._connection.keep(topic, b"")

    def called(self, row: Mapping[str, Any]) -> str:
        """What a container of the API's goes by here."""
        return called(str(row["origin"]), str(row.get("device") or ""), self._towline.device.id)

    def place(self, name: str) -> Place:
        """Where a container is."""
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = Place(self._config.prefix, self._towline.device.id, name)
        return place

    def show_again(self) -> None:
        """Announce what the user has deleted there."""
        self._devices.show_again()
        self._listening.stir()


def _encoded(state: object) -> bytes:
    return json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode()
