"""Records to an MQTT broker: a message each, or batches per topic."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import voluptuous as vol

from towline.broker.topics import BATCH_SUFFIX, Template, Topics
from towline.broker.window import Message
from towline.config import fields
from towline.config.compound import Into
from towline.config.doubts import topic_doubts
from towline.config.kinds import Kind, Surroundings
from towline.errors import Rejected
from towline.record import Batch, Origin, Record

DEFAULT_TOPIC: Final = "towline/{device}/logs/{app}/{service}/{level}"
LARGEST_MESSAGE: Final = 1024 * 1024
"""Bytes that a message of several records may have at most."""

_ENVELOPE: Final = 64
_ORIGINS: Final = 4096
_AT_ONCE: Final = 64 * 1024
"""Bytes that are compressed without leaving the loop: about a millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Records of a topic wait for company until there are `max_records` or `max_age` seconds have
    passed. `compression` is of the whole message.
    """

    max_age: float
    max_records: int
    compression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """What a backend of type `mqtt` says; without `batch` every record is a message."""

    broker: str
    topic: str
    qos: int
    retain: bool
    batch: Packing | None


class Publisher(Protocol):
    """The part of a broker's connection that this backend needs."""

    @property
    def largest(self) -> int:
        """The largest packet that the broker takes."""

    async def publish_all(self, messages: Sequence[Message], *, qos: int, retain: bool) -> None:
        """Publish in order; `Retryable`, or `Rejected` with positions."""

    async def ready(self) -> None:
        """Wait until it is connected."""


class MqttBackend:
    """Publishes batches over a broker's connection, which it does not own."""

    def __init__(self, settings: MqttSettings, publisher: Publisher) -> None:
        self._settings = settings
        self._publisher = publisher
        self._template = Template(settings.topic)
        self._topics: dict[int, tuple[Origin, Topics]] = {}
        batch = settings.batch
        self.max_records = batch.max_records if batch else 1
        self.max_age = batch.max_age if batch else 0.0
        self._gzip = batch is not None and batch.compression == "gzip"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._topics.clear()

    async def ready(self) -> None:
        """Wait until the broker can be reached."""
        await self._publisher.ready()

    async def send(self, batch: Batch) -> None:
        """Publish all records and return when the broker has taken them."""
        if self._settings.batch is None:
            await self._publish([(self.group(record), record.json) for record in batch])
        else:
            await self._send_grouped(batch)

    async def _publish(self, messages: Sequence[Message]) -> None:
        settings = self._settings
        await self._publisher.publish_all(messages, qos=settings.qos, retain=settings.retain)

    async def _send_grouped(self, batch: Batch) -> None:
        groups = list(self._groups(batch))
        try:
            messages = [(topic, envelope(rows)) for topic, _, rows in groups]
            await self._publish(await _compressed(messages) if self._gzip else messages)
        except Rejected as exc:
            refused = [groups[position][1] for position in exc.positions]
            if not refused or any(len(positions) > 1 for positions in refused):
                # Which of its records spoils a message, only sending them apart can tell.
                raise Rejected(str(exc)) from exc
            raise Rejected(str(exc), positions=[place for (place,) in refused]) from exc

    def _groups(self, batch: Batch) -> Iterator[tuple[str, list[int], list[bytes]]]:
        """Topic, positions in the batch and JSON of each message; order kept within a topic."""
        room = min(self._publisher.largest, LARGEST_MESSAGE) - _ENVELOPE
        by_topic: dict[str, list[int]] = {}
        for position, record in enumerate(batch):
            by_topic.setdefault(self.group(record), []).append(position)
        for topic, positions in by_topic.items():
            space = room - len(topic) * 4
            rows = [batch[position].json for position in positions]
            if len(rows) <= self.max_records and sum(map(len, rows)) + len(rows) <= space:
                yield topic + BATCH_SUFFIX, positions, rows  # nearly always
                continue
            taken: list[int] = []
            left = space
            for position in positions:
                cost = len(batch[position].json) + 1
                if taken and (len(taken) >= self.max_records or cost > left):
                    yield topic + BATCH_SUFFIX, taken, [batch[at].json for at in taken]
                    taken, left = [], space
                taken.append(position)
                left -= cost
            yield topic + BATCH_SUFFIX, taken, [batch[at].json for at in taken]

    def group(self, record: Record) -> str:
        """Its topic: records of one topic share messages."""
        # By identity: hashing an origin costs more than all the rest of a record's way.
        origin = record.origin
        found = self._topics.get(id(origin))
        if found is None:
            if len(self._topics) >= _ORIGINS:
                self._topics.clear()
            found = self._topics[id(origin)] = (origin, self._template.of(origin))
        return found[1][record.stderr][record.level]


def envelope(rows: Sequence[bytes]) -> bytes:
    """The payload of a batch, from the rows as they are stored."""
    return b'{"count":%d,"logs":[%b]}' % (len(rows), b",".join(rows))


async def _compressed(messages: list[Message]) -> list[Message]:
    """The same with payloads as gzip; a large amount does not hold up everything else."""

    def compress() -> list[Message]:
        # records are so alike that higher levels hardly save more
        return [(topic, gzip.compress(payload, 1, mtime=0)) for topic, payload in messages]

    if sum(len(payload) for _, payload in messages) < _AT_ONCE:
        return compress()
    return await asyncio.to_thread(compress)


_packing = Into(
    fields.mapping(
        {
            vol.Optional("max_age", default="1s"): fields.duration,
            vol.Optional("max_records", default=50): fields.whole(1, 500),
            vol.Optional("compression", default="none"): fields.one_of("none", "gzip"),
        }
    ),
    Packing,
)

_schema = fields.mapping(
    {
        vol.Required("broker"): fields.name,
        vol.Optional("topic", default=DEFAULT_TOPIC): fields.topic_template,
        vol.Optional("qos", default=1): fields.whole(0, 2),
        vol.Optional("retain", default=False): fields.boolean,
        vol.Optional("batch"): _packing,
    }
)


def _config(*, batch: Packing | None = None, **values: Any) -> MqttSettings:
    return MqttSettings(batch=batch, **values)


def _open(name: str, config: MqttSettings, surroundings: Surroundings) -> MqttBackend:
    return MqttBackend(config, surroundings.lookup(f"brokers.{config.broker}"))


KIND: Final = Kind(
    schema=_schema,
    config=_config,
    open=_open,
    needs=lambda config: frozenset({f"brokers.{config.broker}"}),
    doubts=lambda config: topic_doubts(config.topic, retain=config.retain),
)
