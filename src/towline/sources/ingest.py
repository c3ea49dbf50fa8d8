"""Source kind `ingest`: devices send their lines over HTTP, as balena's do.

The API takes the requests (`api/device.py`); here lines become records. What a device sent cannot
be read again, so its request is answered once the lines are on disk.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import voluptuous as vol

from towline.config import fields
from towline.config.compound import Listing
from towline.config.kinds import Kind, Surroundings
from towline.config.settings import Secret
from towline.errors import SourceError
from towline.ports import Emit
from towline.record import Line, Origin, OriginType, Sent, time_text
from towline.status import Health

if TYPE_CHECKING:
    from towline.store.upkeep import Progress

LONGEST: Final = 1 << 20
"""Characters of a message; what is longer is cut and marked."""

DEVICES: Final = 10_000
"""Devices that are known at a time; the longest silent is forgotten first."""

_LATEST: Final = 1 << 43


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """The tokens of which a device must send one."""

    tokens: tuple[Secret, ...]


class Ingest:
    """Takes lines of devices. Between two syncs of the store, senders wait."""

    def __init__(
        self,
        name: str,
        config: IngestSettings,
        around: Surroundings,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self.health = Health()
        self._tokens = [token.reveal().encode() for token in config.tokens]
        self._device = around.device.id
        self._clock = clock
        self._emit: Emit | None = None
        self._devices: dict[str, int] = {}
        self._synced = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self, emit: Emit) -> None:
        """Until cancelled: lines come when devices send them."""
        self._emit = emit
        self.health.up()
        try:
            await asyncio.Event().wait()
        finally:
            self._emit = None

    def admits(self, token: str) -> bool:
        """Whether a device may send with this token. Every one is compared: time tells nothing."""
        given = token.encode()
        return sum(hmac.compare_digest(known, given) for known in self._tokens) > 0

    def take(self, uuid: str, sent: Iterable[Sent]) -> int:
        """Lines of one device into the store; how many. `SourceError` while it does not run."""
        if self._emit is None:
            raise SourceError("the source is being changed; send again")
        lines = [self._line(one) for one in sent]
        for service in dict.fromkeys(service for service, _ in lines):
            own = [line for of, line in lines if of == service]
            self._emit(self._origin(uuid, service), own)
        self._devices.pop(uuid, None)
        self._devices[uuid] = self._clock() // 1_000_000
        if len(self._devices) > DEVICES:
            del self._devices[next(iter(self._devices))]
        self.health.counters["lines"] += len(lines)
        self.health.counters["devices"] = len(self._devices)
        return len(lines)

    async def synced(self) -> None:
        """Until everything taken so far is on disk."""
        await self._synced.wait()

    def _origin(self, uuid: str, service: int | None) -> Origin:
        return Origin(
            type=OriginType.DEVICE,
            name=uuid,
            device=uuid,
            service_id=service,
            service=None if service is None else str(service),
            source=self.name,
        )

    def _line(self, sent: Sent) -> tuple[int | None, Line]:
        sound = 0 < sent.timestamp < _LATEST
        ms = int(sent.timestamp) if sound else self._clock() // 1_000_000
        text, extra = sent.message, ""
        if len(text) > LONGEST:
            text, extra = text[:LONGEST], ',"truncated":true'
            self.health.counters["truncated"] += 1
        line = Line(
            text=text,
            time=time_text(ms * 1_000_000),
            timestamp=ms,
            stderr=sent.is_std_err,
            extra=extra,
            system=sent.is_system,
        )
        return sent.service_id, line

    def progress(self, *, final: bool = False) -> Progress:
        """Nothing can be read again; those who wait go on once the store is synced."""
        from towline.store.upkeep import Progress  # the store is not needed to check a file

        waiting, self._synced = self._synced, asyncio.Event()
        system = Origin(type=OriginType.SYSTEM, name=self.name, device=self._device)
        covered = self._emit(system, []) if self._emit else 0
        return Progress([], covered, waiting.set)


_schema = fields.mapping({vol.Required("tokens"): Listing(fields.secret, least=1)})

KIND: Final = Kind(schema=_schema, config=IngestSettings, open=Ingest)
