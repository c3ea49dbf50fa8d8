from __future__ import annotations

import httpx
import pytest

from tests.unit.api.world import World, client, token
from towline.errors import EditError

HOME = "/api/v1/mqtt-config/home"


async def test_brokers_are_told_with_their_status(api: httpx.AsyncClient) -> None:
    found = (await api.get("/api/v1/mqtt-config")).json()
    assert found["count"] == 1
    assert found["brokers"][0]["status"] == {"connected": True}
    assert (await api.get(f"{HOME}/status")).json() == {"connected": True}


@pytest.mark.parametrize("rest", ["", "/status"])
async def test_an_unknown_broker_is_not_found(api: httpx.AsyncClient, rest: str) -> None:
    answer = await api.get(f"/api/v1/mqtt-config/none{rest}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_an_edit_hands_on_who_asked_and_what_was_read(
    world: World, api: httpx.AsyncClient
) -> None:
    etag = (await api.get(HOME)).headers["etag"]
    answer = await api.put(HOME, json={"servers": ["mqtt://a"]}, headers={"If-Match": etag})
    assert answer.json() == {"outcome": "applied", "warnings": []}
    (asked,) = world.brokers.asked
    assert asked == ("edit", "home", {"servers": ["mqtt://a"]}, etag.strip('"'), "127.0.0.1")


@pytest.mark.parametrize(
    ("code", "status"),
    [("read_only", 409), ("included", 409), ("changed_meanwhile", 412), ("not_editable", 422)],
)
async def test_a_file_that_cannot_be_edited_is_told_by_its_code(
    world: World, api: httpx.AsyncClient, code: str, status: int
) -> None:
    world.brokers.error = EditError(code, "no")
    answer = await api.put(HOME, json={"servers": ["mqtt://a"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_test_that_fails_is_an_answer(world: World, api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{HOME}/test", json={"servers": ["mqtt://a:1"]})
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert world.brokers.asked == [("test", "home", {"servers": ["mqtt://a:1"]}, True)]


async def test_whoever_asks_through_a_proxy_is_not_of_this_machine(world: World) -> None:
    headers = {"X-Forwarded-For": "10.0.0.9", "Authorization": "Bearer sesame"}
    async with client(world, tokens=(token("sesame", "admin"),)) as api:
        await api.post(f"{HOME}/test", headers=headers)
    assert world.brokers.asked == [("test", "home", {}, False)]


async def test_too_many_tests_are_refused(world: World, api: httpx.AsyncClient) -> None:
    world.brokers.error = EditError("too_many_tests", "enough")
    assert (await api.post(f"{HOME}/test")).status_code == 429


async def test_a_connection_is_made_anew(world: World, api: httpx.AsyncClient) -> None:
    assert (await api.post(f"{HOME}/reconnect")).status_code == 202
    assert world.brokers.asked == [("reconnect", "home")]
