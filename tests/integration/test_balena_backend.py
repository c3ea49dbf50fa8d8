"""balena's log stream: refused at once, refused late, cut, idle, left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.backends import balena
from tests.contract.balena import LogStreams
from tests.contract.test_backend_contract import batch
from tests.real.until import auntil
from towline.errors import Retryable
from towline.ports import Backend


@pytest.fixture
async def api() -> AsyncIterator[LogStreams]:
    async with LogStreams() as running:
        yield running


def numbers(api: LogStreams, request: int) -> list[int]:
    return [int(row["message"].split()[1]) for row in api.requests[request].lines]


async def test_lines_travel_in_one_stream_as_the_protocol_wants_it(
    api: LogStreams, tmp_path: Path
) -> None:
    async with balena(tmp_path, api.url) as backend:
        await backend.send(batch(3))
        await backend.send(batch(2, 3))
    (request,) = api.requests
    assert request.path == "/device/v2/abc123/log-stream"
    assert request.headers["authorization"] == "Bearer device-key"
    assert request.headers["content-type"] == "application/x-ndjson"
    assert request.headers["content-encoding"] == "gzip"
    assert numbers(api, 0) == [0, 1, 2, 3, 4]
    assert request.is_whole


async def test_a_wrong_key_costs_no_line(api: LogStreams, tmp_path: Path) -> None:
    async with balena(tmp_path, api.url, grace=5.0) as backend:
        api.refusal = 401
        with pytest.raises(Retryable, match=r"not authorised.*\(401\)") as caught:
            await backend.send(batch(3))
        assert caught.value.retry_after == 5.0
        assert api.lines() == []


async def test_lines_of_a_stream_that_is_cut_come_again_in_order(
    api: LogStreams, tmp_path: Path
) -> None:
    async with balena(tmp_path, api.url) as backend:
        await backend.send(batch(3))
        await auntil(lambda: len(api.lines()) == 3)
        api.cut()
        for start in (3, 4):
            await persistently(backend, start)
        await auntil(lambda: numbers(api, -1) == [0, 1, 2, 3, 4])


async def persistently(backend: Backend, start: int) -> None:
    """Send one record as delivery would."""
    async with asyncio.timeout(30):
        while True:
            try:
                await backend.send(batch(1, start))
            except Retryable:
                await asyncio.sleep(0.01)
            else:
                return


async def refused(backend: Backend) -> str:
    """Send until the server's refusal has been heard."""
    async with asyncio.timeout(30):
        while True:
            try:
                await backend.send(batch(1, 3))
            except Retryable as exc:
                return str(exc)
            await asyncio.sleep(0.01)


async def test_after_a_late_refusal_no_line_is_risked_and_none_is_lost(
    api: LogStreams, tmp_path: Path
) -> None:
    async with balena(tmp_path, api.url, doubt=20.0, grace=0.05) as backend:
        await backend.send(batch(3))
        await auntil(lambda: len(api.lines()) == 3)
        await asyncio.sleep(0.1)
        api.refuse(401)
        assert "(401)" in await refused(backend)
        sending = asyncio.create_task(refused(backend))
        await auntil(lambda: len(api.requests) == 2)
        await asyncio.sleep(0.5)
        assert numbers(api, 1) == []
        api.refuse(401)
        assert "(401)" in await sending


async def test_what_a_late_refusal_took_comes_again(api: LogStreams, tmp_path: Path) -> None:
    async with balena(tmp_path, api.url, doubt=3.0, grace=0.05) as backend:
        await backend.send(batch(3))
        await auntil(lambda: len(api.lines()) == 3)
        api.refuse(401)
        await refused(backend)
        await backend.send(batch(1, 3))
        await auntil(lambda: sorted(set(numbers(api, 1))) == [0, 1, 2, 3])


async def test_a_burst_goes_at_the_pace_of_the_protocol(api: LogStreams, tmp_path: Path) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async with balena(tmp_path, api.url, sleep, lines=10, every=100.0) as backend:
        await backend.send(batch(45))
        await auntil(lambda: numbers(api, 0) == list(range(45)))
    assert len(waited) == 5
    assert waited[0] == 0
    assert waited[-1] > 300


async def test_an_idle_stream_is_ended_and_nothing_is_said_twice(
    api: LogStreams, tmp_path: Path
) -> None:
    async with balena(tmp_path, api.url, idle=0.05) as backend:
        await backend.send(batch(3))
        await auntil(lambda: api.requests[0].is_whole)
        await backend.send(batch(1, 3))
        await auntil(lambda: len(api.requests) == 2 and numbers(api, 1) == [3])


async def test_a_server_that_restarts_is_found_again(api: LogStreams, tmp_path: Path) -> None:
    async with balena(tmp_path, api.url) as backend:
        await backend.send(batch(1))
        await auntil(lambda: len(api.lines()) == 1)
        api.refuse(503)
        assert "(503)" in await refused(backend)
        await backend.send(batch(1, 3))
        await auntil(lambda: sorted(set(numbers(api, 1))) == [0, 3])
