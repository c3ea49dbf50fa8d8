"""Containers through the API: what is known of them, and what they can be made to do."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.api.world import World, client, token
from towline.errors import NotFound, Rejected, SourceError

RESTART = "/api/v1/containers/shop-web-1/restart"


async def test_rows_tell_which_containers_may_be_controlled(api: httpx.AsyncClient) -> None:
    rows = (await api.get("/api/v1/containers")).json()["containers"]
    told = {row["name"]: row["controllable"] for row in rows}
    assert told == {"shop-web-1": True, "shop-db-1": False}


@pytest.mark.parametrize("what", ["start", "stop", "restart"])
async def test_a_container_is_controlled_and_it_is_known_by_whom(
    world: World, api: httpx.AsyncClient, what: str
) -> None:
    answer = await api.post(f"/api/v1/containers/shop-web-1/{what}")
    assert answer.json() == {"container": "shop-web-1", "done": what}
    assert world.operations.asked == [("shop-web-1", what, "127.0.0.1")]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Rejected("homeassistant.controls is false"), 403, "controls_off"),
        (NotFound("no container"), 404, "not_found"),
        (SourceError("the engine is away"), 503, "source_away"),
    ],
)
async def test_what_cannot_be_done_is_said(
    world: World, api: httpx.AsyncClient, error: Exception, status: int, code: str
) -> None:
    world.operations.error = error
    answer = await api.post(RESTART)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_reading_is_not_controlling(world: World) -> None:
    async with client(world, tokens=(token("looker", "read"),), host="0.0.0.0") as api:
        answer = await api.post(RESTART, headers={"Authorization": "Bearer looker"})
    assert answer.status_code == 403
    assert world.operations.asked == []
