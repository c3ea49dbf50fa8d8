"""Pausing, moving and reviving a backend through the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.api.world import NOW, World
from tests.unit.delivery.rig import Destination, settle
from towline.delivery.dead import DeadLetters
from towline.delivery.delivery import Delivery
from towline.delivery.router import Router
from towline.errors import Rejected

MQTT = "/api/v1/backends/mqtt"


@pytest.fixture
async def backend(world: World, tmp_path: Path) -> AsyncIterator[Destination]:
    found = Destination()
    dead = DeadLetters(tmp_path / "dead", "mqtt")
    async with Delivery("mqtt", found, world.store, Router(), dead) as delivery:
        world.deliveries["mqtt"] = delivery
        running = asyncio.create_task(delivery.run())
        await settle()
        yield found
        running.cancel()
        await asyncio.wait([running])


async def test_pause_and_resume(world: World, api: httpx.AsyncClient, backend: Destination) -> None:
    assert (await api.post(f"{MQTT}/pause")).json()["paused"] is True
    world.say("a")
    await settle()
    assert backend.messages == []
    answer: dict[str, Any] = (await api.post(f"{MQTT}/resume")).json()
    assert (answer["name"], answer["paused"], answer["lag"]) == ("mqtt", False, 1)
    await settle()
    assert backend.messages == ["a"]
    assert world.notes == [
        "backend mqtt paused, by 127.0.0.1",
        "backend mqtt resumed, by 127.0.0.1",
    ]


async def test_replay_from_a_time_or_a_record(
    world: World, api: httpx.AsyncClient, backend: Destination
) -> None:
    made = world.say("a", "b", "c", "d")
    await settle()
    answer = (await api.post(f"{MQTT}/replay", json={"from": made[2].id})).json()
    assert answer["cursor"] == made[2].id
    await settle()
    assert backend.messages == ["a", "b", "c", "d", "c", "d"]
    await api.post(f"{MQTT}/replay", json={"since": NOW + 4000})
    await settle()
    assert backend.messages[6:] == ["d"]
    answer = (await api.post(f"{MQTT}/replay", json={"since": "0s"})).json()
    assert answer["lag"] == 0
    assert world.notes[0] == f"backend mqtt replayed from {made[2].id}, by 127.0.0.1"


@pytest.mark.parametrize(
    "body", [{}, {"since": "1h", "from": "0" * 16}, {"from": "yesterday"}, {"to": 1}]
)
async def test_a_replay_that_says_nothing_clear_is_refused(
    api: httpx.AsyncClient, backend: Destination, body: dict[str, Any]
) -> None:
    assert (await api.post(f"{MQTT}/replay", json=body)).status_code == 400


async def test_dead_letters_are_paged_and_sent_again(
    world: World, api: httpx.AsyncClient, backend: Destination
) -> None:
    backend.trouble = lambda _: Rejected("too large")
    made = world.say("a", "b", "c")
    await settle()
    first = (await api.get(f"{MQTT}/dead?limit=2")).json()
    assert [row["record"]["message"] for row in first["dead"]] == ["a", "b"]
    assert first["dead"][0]["reason"] == "too large"
    assert (first["count"], first["next"]) == (2, made[1].id)
    rest = (await api.get(f"{MQTT}/dead?after={first['next']}")).json()
    assert [row["record"]["message"] for row in rest["dead"]] == ["c"]
    assert rest["next"] is None
    backend.trouble = lambda _: None
    await api.post(f"{MQTT}/dead/replay")
    await settle()
    assert sorted(backend.messages) == ["a", "b", "c"]
    assert (await api.get(f"{MQTT}/dead")).json()["count"] == 0
    assert world.notes == ["backend mqtt sends 3 records again that were set aside, by 127.0.0.1"]


async def test_a_backend_that_is_not_there_is_not_found(api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/v1/backends/none/pause")).status_code == 404
