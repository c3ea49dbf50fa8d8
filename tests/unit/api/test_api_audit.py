from __future__ import annotations

import json

import httpx

from tests.unit.api.world import World, client, token
from towline.api.routes import ENDPOINTS


async def told(world: World) -> list[dict[str, object]]:
    rows, _ = await world.audit.page(100)
    return [json.loads(row) for row in rows]


async def test_what_changes_something_is_written_down_with_who_and_where_from(
    world: World, api: httpx.AsyncClient
) -> None:
    await api.post("/api/v1/mqtt-config/home/reconnect")
    await api.delete("/api/v1/logs", params={"all": "true"})
    await api.delete("/api/v1/logs")
    refused, removed, anew = await told(world)
    assert anew["actor"] == anew["ip"] == "127.0.0.1"
    assert anew["action"] == "POST /mqtt-config/{broker}/reconnect"
    assert anew["target"] == "/api/v1/mqtt-config/home/reconnect"
    assert anew["diff"] == {"status": 202}
    assert removed["target"] == "/api/v1/logs?all=true"
    assert refused["diff"] == {"status": "refused"}


async def test_what_only_looks_is_not(world: World, api: httpx.AsyncClient) -> None:
    await api.get("/api/v1/status")
    await api.post("/api/v1/config/check", content="version: 1")
    await api.post("/api/v1/logs/search", json={})
    assert await told(world) == []
    await api.get("/api/v1/config")
    assert [row["action"] for row in await told(world)] == ["GET /config"]


async def test_every_change_there_is_is_written_down() -> None:
    changes = {f"{each.method} {each.path}" for each in ENDPOINTS if each.audited}
    unsafe = {
        f"{each.method} {each.path}"
        for each in ENDPOINTS
        if each.method in ("POST", "PUT", "DELETE") and each.scope in ("operate", "admin")
    }
    assert unsafe - changes == {"POST /api/v1/config/check", "POST /api/v1/config/plan"}


async def test_entries_are_told_in_pages_to_admins(world: World, api: httpx.AsyncClient) -> None:
    for _ in range(5):
        world.audit.put("me", "act", "x")
    found = (await api.get("/api/v1/audit", params={"limit": 3})).json()
    assert [row["n"] for row in found["audit"]] == [5, 4, 3]
    rest = await api.get("/api/v1/audit", params={"limit": 3, "before": found["next"]})
    assert [row["n"] for row in rest.json()["audit"]] == [2, 1]
    assert rest.json()["next"] is None
    async with client(world, tokens=(token("reader", "read"),)) as reader:
        headers = {"Authorization": "Bearer reader"}
        assert (await reader.get("/api/v1/audit", headers=headers)).status_code in (401, 403)
