"""A real store in memory, a backend that does as told, and time that moves when told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Self

from towline.errors import DeliveryError
from towline.pipeline.encode import encode, template_of
from towline.record import Batch, Line, Origin, OriginType, Record
from towline.store.log import Store

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", service="web")
API = Origin(type=OriginType.CONTAINER, name="api", device="pi", service="api")


class Time:
    """A clock that stands still; whoever sleeps wakes when `pass_` has gone far enough."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.slept.append(seconds)
        self._sleepers.append((self.now + seconds, future))
        await future

    async def pass_(self, seconds: float) -> None:
        self.now += seconds
        for at, future in self._sleepers:
            if at <= self.now and not future.done():
                future.set_result(None)
        await settle()


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(30):
        await asyncio.sleep(0)


class Destination:
    """A backend that keeps what it is sent; `trouble` may raise for a batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.tries = 0
        self.trouble: Callable[[Batch], DeliveryError | None] = lambda _: None
        self.entered = 0

    async def __aenter__(self) -> Self:
        self.entered += 1
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.entered -= 1

    @property
    def messages(self) -> list[str]:
        return [message for batch in self.batches for message in batch]

    async def send(self, batch: Batch) -> None:
        self.tries += 1
        await asyncio.sleep(0)
        if (error := self.trouble(batch)) is not None:
            raise error
        self.batches.append([record.message for record in batch])


class Patient(Destination):
    """A backend that wishes for batches."""

    max_records = 5
    max_age = 1.0


class Grouping(Patient):
    """A backend whose records travel by service."""

    def group(self, record: Record) -> Hashable:
        return record.origin.service


def append(store: Store, *texts: str, origin: Origin = WEB, level: str = "info") -> list[Record]:
    """Lines as records at the end of the store."""
    lines = [
        Line(text=text, time="2026-01-01T00:00:00.000000000Z", timestamp=0, level=level)
        for text in texts
    ]
    records = encode(template_of(origin), lines, store.next_offset)
    store.append(records)
    return records


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"line {number}" for number in range(start, start + count)]
