"""Source kind `mqtt`: what other Towlines, or anybody else, publish.

A message cannot be read again, so it is acknowledged only once its records are on disk: until then
the broker keeps it. What comes twice for that reason is stored once.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Self

import voluptuous as vol

from towline.broker.filters import fault as filter_fault
from towline.broker.incoming import Inbox, Incoming
from towline.config import fields
from towline.config.faults import Fault
from towline.config.kinds import Kind, Surroundings
from towline.config.shapes import shaped
from towline.ports import Emit
from towline.record import Line, Origin, OriginType, time_text
from towline.sources.foreign import Foreign, records
from towline.status import Health

if TYPE_CHECKING:
    from towline.store.upkeep import Progress

REMEMBERED: Final = 20_000
"""Records of other devices by which one that comes twice is known."""

WAITING: Final = 2000
LONGEST: Final = 16 << 20
"""Bytes of a payload, unpacked, that are looked at."""

_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSource:
    """Which messages of which broker. With `shared_group` several Towlines share them."""

    broker: str
    topic: str
    shared_group: str
    qos: int

    @property
    def filter(self) -> str:
        """The filter as the broker wants it."""
        return f"$share/{self.shared_group}/{self.topic}" if self.shared_group else self.topic


class Listener:
    """Takes messages of one filter as records. A device's own records do not come round again."""

    def __init__(
        self,
        name: str,
        config: MqttSource,
        around: Surroundings,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self.health = Health()
        self._config = config
        self._device = around.device.id
        self._lookup = around.lookup
        self._clock = clock
        self._inbox = Inbox(WAITING)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._unsaved: list[Incoming] = []
        self._emit: Emit = lambda origin, lines: 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self, emit: Emit) -> None:
        """Until cancelled."""
        self._emit = emit
        config = self._config
        connection = self._lookup(f"brokers.{config.broker}")
        subscription = connection.subscribe(
            config.filter, self._inbox, qos=config.qos, retained=False, acknowledges=True
        )
        self.health.up()
        try:
            async for message in self._inbox:
                self._take(message)
                self.health.counters["dropped"] = self._inbox.counters["dropped"]
                await asyncio.sleep(0)
        finally:
            connection.unsubscribe(subscription)

    def _take(self, message: Incoming) -> None:
        counters = self.health.counters
        counters["messages"] += 1
        new = [one for one in self._read(message) if self._is_new(one)]
        for _, run in groupby(new, key=lambda one: one.origin):
            found = list(run)
            self._emit(found[0].origin, [one.line for one in found])
        counters["lines"] += len(new)
        self._unsaved.append(message)

    def _read(self, message: Incoming) -> list[Foreign]:
        """The records of a message; one that holds none is a line itself, said under its topic."""
        try:
            payload = unpacked(message.payload)
            return records(payload, source=self.name, clock=self._clock)
        except (ValueError, OSError, EOFError, zlib.error):
            self.health.counters["plain"] += 1
            return [self._plain(message)]

    def _plain(self, message: Incoming) -> Foreign:
        now = self._clock()
        origin = Origin(
            type=OriginType.DEVICE,
            name=message.topic[:255],
            device=self._device,
            service=message.topic[:255],
            source=self.name,
        )
        text = message.payload.decode("utf-8", "replace").rstrip("\n")
        return Foreign(origin, Line(text, time_text(now), now // 1_000_000), "")

    def _is_new(self, found: Foreign) -> bool:
        if not found.id:
            return True
        if found.origin.device == self._device:
            self.health.counters["own"] += 1
            return False
        key = found.origin.device, found.id
        if key in self._known:
            self.health.counters["repeated"] += 1
            return False
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return True

    def progress(self, *, final: bool = False) -> Progress:
        """What was taken so far is acknowledged once it is on disk."""
        from towline.store.upkeep import Progress  # the store is not needed to check a file

        taken, self._unsaved = self._unsaved, []
        system = Origin(type=OriginType.SYSTEM, name=self.name, device=self._device)

        def saved() -> None:
            for message in taken:
                message.acknowledge()

        return Progress([], self._emit(system, []), saved)


def unpacked(payload: bytes) -> bytes:
    """A payload without its gzip; `ValueError` for one that is too large."""
    if payload[:2] != _GZIP:
        return payload
    decompressor = zlib.decompressobj(wbits=31)
    found = decompressor.decompress(payload, LONGEST)
    if decompressor.unconsumed_tail:
        raise ValueError(f"more than {LONGEST} bytes")
    return found


@shaped({"type": "string", "minLength": 1})
def _topic(value: Any) -> str:
    found = fields.plain(fields.some_text(value))
    if wrong := filter_fault(found):
        raise Fault("wrong_value", f"expected a topic filter: {wrong}")
    return found


_schema = fields.mapping(
    {
        vol.Required("broker"): fields.name,
        vol.Required("topic"): _topic,
        vol.Optional("shared_group", default=""): fields.text,
        vol.Optional("qos", default=1): fields.whole(0, 2),
    }
)

KIND: Final = Kind(
    schema=_schema,
    config=MqttSource,
    open=Listener,
    needs=lambda config: frozenset({f"brokers.{config.broker}"}),
)
