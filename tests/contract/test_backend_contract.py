from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.backends import BACKENDS, Destination
from towline.errors import Retryable
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, Record

pytestmark = pytest.mark.broker

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", app="1", service="web")
TIME = "2026-01-01T00:00:00.000000000Z"


def batch(count: int, start: int = 0) -> list[Record]:
    lines = [
        Line(text=f'line {number} {{"id"', time=TIME, timestamp=0, level="info")
        for number in range(start, start + count)
    ]
    return encode(template_of(WEB), lines, start)


def forms(destination: Destination, records: list[Record]) -> list[bytes]:
    return [destination.form(record) for record in records]


@pytest.fixture(params=BACKENDS)
async def destination(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Destination]:
    async with BACKENDS[request.param](tmp_path) as opened:
        yield opened


async def test_a_batch_arrives_whole_and_in_order(destination: Destination) -> None:
    records = batch(120)
    with destination.watched() as collected:
        await destination.backend.send(records)
        assert await collected(120) == forms(destination, records)


async def test_the_same_batch_twice_is_harmless(destination: Destination) -> None:
    records = batch(3)
    with destination.watched() as collected:
        await destination.backend.send(records)
        await destination.backend.send(records)
        await destination.backend.send(batch(1, 3))
        found = await collected(4 if destination.once else 7)
    assert set(found) == set(forms(destination, batch(4)))
    assert found[-1:] == forms(destination, batch(1, 3))


async def test_cancelled_at_any_await_it_can_be_used_again(destination: Destination) -> None:
    records = batch(60)
    for steps in range(12):
        sending = asyncio.ensure_future(destination.backend.send(records))
        for _ in range(steps):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    with destination.watched() as collected:
        await destination.backend.send(batch(2, 100))
        async with asyncio.timeout(20):  # the others may still be on their way
            while (await collected(2))[-2:] != forms(destination, batch(2, 100)):
                await asyncio.sleep(0.01)


async def test_while_the_destination_is_away_a_batch_may_be_tried_again(
    destination: Destination,
) -> None:
    await destination.away()
    with pytest.raises(Retryable):
        await destination.backend.send(batch(3))
    with pytest.raises(Retryable):
        await destination.backend.send(batch(3))
    await destination.back()
    with destination.watched() as collected:
        await destination.backend.send(batch(3))
        assert await collected(3) == forms(destination, batch(3))
