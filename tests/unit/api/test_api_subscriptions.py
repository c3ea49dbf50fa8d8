from __future__ import annotations

import httpx

from tests.unit.api.world import World
from towline.errors import EditError

HOME = "/api/v1/mqtt-config/home/subscriptions"


async def test_subscriptions_of_a_broker_are_told(api: httpx.AsyncClient) -> None:
    found = (await api.get(HOME)).json()
    assert found["count"] == 1
    assert found["subscriptions"][0]["counters"] == {"received": 2}
    assert (await api.get(HOME.replace("home", "none"))).status_code == 404


async def test_a_change_hands_on_what_is_wanted_and_who_wants_it(
    world: World, api: httpx.AsyncClient
) -> None:
    answer = await api.put(f"{HOME}/restart_web", json={"enabled": False})
    assert answer.json() == {"outcome": "applied"}
    assert world.brokers.subscriptions.asked == [
        ("home", "restart_web", {"enabled": False}, "", "127.0.0.1")
    ]


async def test_a_file_that_cannot_be_edited_is_told(world: World, api: httpx.AsyncClient) -> None:
    world.brokers.subscriptions.error = EditError("read_only", "the file follows a repository")
    answer = await api.put(f"{HOME}/restart_web", json={"enabled": False})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "read_only")
