"""Messages of brokers: looked at, watched for a while, played again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.broker.filters import fault, matches
from towline.broker.incoming import Incoming
from towline.broker.topics import Template
from towline.config.compound import Mapping, checked
from towline.config.fields import duration, one_of, some_text, text, whole
from towline.config.match import match
from towline.config.settings import Settings
from towline.errors import EditError, NotFound, QueryError, Retryable
from towline.store.log import Store
from towline.store.query import Query
from towline.subscriptions.player import Played, Player
from towline.subscriptions.recorder import Recorder

MOST_WATCHES: Final = 5
LONGEST_WATCH: Final = 600.0
TOPICS: Final = Template("towline/{device}/logs/{app}/{service}/{level}")
_PAGE: Final = 500
_WATCH: Final = Mapping(
    {vol.Required("topic"): some_text, vol.Optional("for", default="1m"): duration}
)
_REPLAY: Final = Mapping(
    {
        vol.Optional("of", default="records"): one_of("records", "messages"),
        vol.Optional("since", default="1h"): duration,
        vol.Optional("until"): duration,
        vol.Optional("match", default=dict): match,
        vol.Optional("topic", default="#"): some_text,
        vol.Optional("text", default=""): text,
        vol.Optional("speed", default=1): whole(0, 1000),
        vol.Optional("rate", default=50): whole(1, 1000),
        vol.Optional("limit", default=10_000): whole(1, 100_000),
    }
)


@dataclass(slots=True)
class _Watch:
    topic: str
    until: float
    end: Callable[[], None]


class Messages:
    """What came of each broker, for as long as Towline runs; `component` gives what runs.

    Messages are recorded that subscriptions of the file get, and those of watches.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        component: Callable[[str], Any],
        store: Callable[[], Store],
    ) -> None:
        self._settings = settings
        self._component = component
        self._store = store
        self._recorders: dict[str, Recorder] = {}
        self._watches: dict[str, list[_Watch]] = {}
        self._players: dict[str, tuple[Player, asyncio.Task[None]]] = {}

    def heard(self, broker: str) -> Callable[[Incoming], None]:
        """Where to hand messages of a broker."""
        return self._recorders.setdefault(broker, Recorder()).take

    def of(self, broker: str, topic: str, words: str, limit: int) -> dict[str, Any]:
        """The last messages, newest first, and the topics that there are."""
        self._known(broker)
        _sound(topic)
        recorder = self._recorders.setdefault(broker, Recorder())
        found = recorder.find(topic, words)
        shown = found[::-1][:limit]
        watches = self._watches.get(broker, [])
        return {
            "count": len(shown),
            "messages": [kept.as_json() for kept in shown],
            "more": len(found) > len(shown),
            "topics": recorder.topics(topic),
            "watching": [{"topic": w.topic, "until": round(w.until * 1000)} for w in watches],
            "counters": dict(recorder.counters),
        }

    def watch(self, broker: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Record what comes for a filter, for a while."""
        self._known(broker)
        asked = _asked(_WATCH, wanted)
        topic, seconds = asked["topic"], min(asked["for"], LONGEST_WATCH)
        _sound(topic)
        connection = self._component(f"brokers.{broker}")
        watches = self._watches.setdefault(broker, [])
        if len(watches) >= MOST_WATCHES:
            raise EditError("too_many_watches", f"{MOST_WATCHES} watches at once are enough")
        if connection is None:
            raise EditError("starting", f"broker {broker} is not running yet")
        take = self.heard(broker)

        def heard(message: Incoming) -> None:
            if not self._recorded(broker, message):
                take(message)

        subscription = connection.subscribe(topic, heard, qos=0)
        found = _Watch(topic, time.time() + seconds, lambda: None)
        timer = asyncio.get_running_loop().call_later(seconds, self._end, broker, found)

        def end() -> None:
            timer.cancel()
            connection.unsubscribe(subscription)

        found.end = end
        watches.append(found)
        return {"topic": topic, "until": round(found.until * 1000)}

    def _recorded(self, broker: str, message: Incoming) -> bool:
        """Whether a subscription of the file records it anyway."""
        return any(
            each.enabled
            and each.broker == broker
            and not each.shared_group
            and (each.retained or not message.retained)
            and matches(each.topic, message.topic)
            for each in self._settings().subscriptions.values()
        )

    def unwatch(self, broker: str) -> None:
        """End every watch."""
        self._known(broker)
        for found in list(self._watches.get(broker, [])):
            self._end(broker, found)

    def _end(self, broker: str, found: _Watch) -> None:
        if found in self._watches[broker]:
            self._watches[broker].remove(found)
            found.end()

    def replay(self, broker: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Begin to play a window of records or of recorded messages below `replay/`."""
        self._known(broker)
        asked = _asked(_REPLAY, wanted)
        _sound(asked["topic"])
        if broker in self._players and not self._players[broker][1].done():
            raise EditError("replay_running", "a replay is under way: stop it first")

        async def publish(topic: str, payload: bytes) -> None:
            connection = self._component(f"brokers.{broker}")
            if connection is None:
                raise Retryable(f"broker {broker} is not running")
            await connection.publish(topic, payload, qos=1)

        player = Player(publish, speed=asked["speed"], rate=asked["rate"])
        source = self._records if asked["of"] == "records" else self._messages
        task = asyncio.create_task(player.run(source(broker, asked)), name=f"replay {broker}")
        self._players[broker] = player, task
        return player.as_json()

    def replayed(self, broker: str) -> dict[str, Any]:
        """How the last replay goes, or ended."""
        self._known(broker)
        if broker not in self._players:
            raise NotFound(f"nothing was replayed at {broker}")
        return self._players[broker][0].as_json()

    async def stop(self, broker: str) -> dict[str, Any]:
        """End the replay that is under way."""
        found = self.replayed(broker)
        player, task = self._players[broker]
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
            found = player.as_json()
        return found

    async def close(self) -> None:
        """End everything."""
        for broker in self._players:
            task = self._players[broker][1]
            task.cancel()
            await asyncio.wait([task])
        for broker, watches in self._watches.items():
            for found in list(watches):
                self._end(broker, found)

    async def _records(self, broker: str, asked: dict[str, Any]) -> AsyncIterator[Played]:
        now = time.time()
        until = round((now - asked.get("until", 0.0)) * 1000)
        since, after, left = round((now - asked["since"]) * 1000), None, asked["limit"]
        store = self._store()
        while left > 0:
            page = await store.query(
                Query(
                    match=asked["match"],
                    text=asked["text"],
                    since=since,
                    until=until,
                    after=after,
                    limit=min(_PAGE, left),
                    newest_first=False,
                )
            )
            for record in page.records:
                topic = TOPICS.of(record.origin)[record.stderr][record.level]
                if matches(asked["topic"], topic):
                    yield Played(record.timestamp, topic, record.json)
            left -= len(page.records)
            if page.next is None or not page.records:
                return
            after = page.records[-1].offset

    async def _messages(self, broker: str, asked: dict[str, Any]) -> AsyncIterator[Played]:
        now = time.time()
        begin, end = (now - asked["since"]) * 1000, (now - asked.get("until", 0.0)) * 1000
        recorder = self._recorders.setdefault(broker, Recorder())
        for kept in recorder.find(asked["topic"], asked["text"])[: asked["limit"]]:
            whole_payload = kept.size == len(kept.payload)
            own = kept.topic.startswith("replay/")
            if begin <= kept.at < end and whole_payload and not own:
                yield Played(kept.at, kept.topic, kept.payload)

    def _known(self, broker: str) -> None:
        if broker not in self._settings().brokers:
            raise NotFound(f"no broker {broker!r}")


def _asked(schema: Mapping, wanted: dict[str, Any]) -> dict[str, Any]:
    found, faults = checked(schema, wanted)
    if faults:
        where = ".".join(map(str, faults[0].path))
        raise QueryError("bad_parameter", f"{where}: {faults[0].msg}")
    asked: dict[str, Any] = found
    return asked


def _sound(topic_filter: str) -> None:
    wrong = "shared filters are for subscriptions" if topic_filter.startswith("$share/") else ""
    if wrong := wrong or fault(topic_filter):
        raise QueryError("bad_parameter", f"topic: {wrong}")
