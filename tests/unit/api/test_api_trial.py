from __future__ import annotations

import httpx

from tests.unit.api.world import World, client, token
from towline.errors import ConfigError, Problem

CHECK, PLAN = "/api/v1/config/check", "/api/v1/config/plan"
FAULT = ConfigError([Problem(code="unknown_key", text="no such key", line=3, path=("a", 0))])


async def test_a_sound_text_is_valid(world: World, api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{CHECK}?file=mine.yaml", content="version: 1")
    assert answer.json() == {"valid": True, "problems": []}
    assert world.tried == (b"version: 1", "mine.yaml")


async def test_a_text_at_fault_is_answered_with_its_problems(
    world: World, api: httpx.AsyncClient
) -> None:
    world.reload_error = FAULT
    checked = await api.post(CHECK, content="version: 1")
    assert (checked.status_code, checked.json()["valid"]) == (200, False)
    assert checked.json()["problems"][0]["line"] == 3
    planned = await api.post(PLAN, content="version: 1")
    assert (planned.status_code, planned.json()["error"]["code"]) == (422, "config_invalid")
    assert planned.json()["error"]["problems"][0]["path"] == ["a", "0"]


async def test_a_masked_value_stands_for_the_one_in_the_file(
    world: World, api: httpx.AsyncClient
) -> None:
    world.text = "brokers: {home: {password: hunter2}}\n"
    shown = (await api.get("/api/v1/config")).text
    assert "hunter2" not in shown
    assert (await api.post(PLAN, content=shown)).status_code == 200
    assert b"hunter2" in world.tried[0]


async def test_bytes_that_are_no_text_reach_the_check(world: World, api: httpx.AsyncClient) -> None:
    await api.post(CHECK, content=b"\xff")
    assert world.tried[0] == b"\xff"


async def test_an_unknown_parameter_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{PLAN}?files=x", content="version: 1")
    assert answer.json()["error"]["code"] == "unknown_parameter"


async def test_routes_and_labels_are_served(world: World, api: httpx.AsyncClient) -> None:
    world.store.decode.labels["c1"] = (("tier", "front"),)
    assert (await api.get("/api/v1/config/routes")).json() == {"backends": ["mqtt"], "routes": []}
    found = (await api.get("/api/v1/containers/labels")).json()
    assert found == {"labels": {"c1": {"tier": "front"}}}


async def test_only_who_may_edit_the_file_may_try_one(world: World) -> None:
    async with client(world, tokens=(token("grafana", "read", "operate"),), host="0.0.0.0") as api:
        head = {"Authorization": "Bearer grafana"}
        for method, path in (
            ("POST", CHECK),
            ("POST", PLAN),
            ("GET", "/api/v1/config/routes"),
            ("GET", "/api/v1/containers/labels"),
        ):
            answer = await api.request(method, path, headers=head, content="version: 1")
            assert answer.status_code == 403, path
