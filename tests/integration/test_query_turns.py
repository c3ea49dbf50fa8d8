"""Queries over real HTTP: whoever hangs up is not worked for, and too many are told so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.real.until import auntil
from tests.unit.api.world import World
from tests.unit.api.world import world as open_world
from towline.api.server import ApiServer
from towline.config.settings import Api
from towline.store import answer
from towline.store.answer import Answers

LOCAL = Api(host="127.0.0.1", port=0, tokens=())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, memory=1, persist=True) as found:
        found.say("one", "two", "three")
        yield found


class Busy:
    """Keeps the threads of a store's queries busy until told."""

    def __init__(self, answers: Answers) -> None:
        self._over = threading.Event()
        self._jobs = [answers._threads.submit(self._over.wait) for _ in range(answer._THREADS)]

    def end(self) -> None:
        self._over.set()


async def test_a_query_ends_when_its_client_hangs_up(world: World) -> None:
    async with ApiServer(LOCAL, world) as server:
        busy = Busy(world.store.answers)
        try:
            _, writer = await asyncio.open_connection(*server.address)
            writer.write(b"GET /api/v1/logs/count?text=one HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await auntil(lambda: world.store.answers.active == 1)
            writer.close()
            await auntil(lambda: world.store.answers.active == 0)
        finally:
            busy.end()
        host, port = server.address
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}/api/v1") as api:
            assert (await api.get("/logs/count?text=one")).json() == {"count": 1}


async def test_queries_beyond_those_that_wait_are_refused_and_the_others_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "WAITING", 3)
    async with ApiServer(LOCAL, world) as server:
        busy = Busy(world.store.answers)
        host, port = server.address
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}/api/v1", timeout=60) as api:
            taken = [
                asyncio.create_task(api.get("/logs/count?text=one"))
                for _ in range(answer.ACTIVE + 3)
            ]
            await auntil(lambda: world.store.answers.waiting == 3)
            refused = await api.get("/logs?text=one")
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "too_many_queries"
            assert refused.headers["retry-after"] == "2"
            assert (await api.get("/health")).status_code == 200
            busy.end()
            for each in taken:
                assert (await each).json() == {"count": 1}
        assert (world.store.answers.active, world.store.answers.waiting) == (0, 0)


async def test_an_export_whose_client_goes_away_stops_reading(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.say(*("x" * 1000 for _ in range(30_000)))
    async with ApiServer(LOCAL, world) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /api/v1/logs/export HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.transport.abort()
        await auntil(lambda: not server._state.connections and not server._state.tasks)
        assert world.store.answers.active == 0
