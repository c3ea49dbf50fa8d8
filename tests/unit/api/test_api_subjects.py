from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route, WebSocketRoute

from tests.unit.api.world import NOW, WEB, World, client
from towline.api import asked
from towline.api.application import Hardened
from towline.api.desk import Desk
from towline.api.openapi import PARAMETERS, document
from towline.api.page import FILES
from towline.api.routes import ENDPOINTS, routes
from towline.errors import ConfigError, Problem

DOCS = Path(__file__).parents[3] / "docs" / "api.md"


async def test_status_shows_every_component_and_the_worst_of_them(
    world: World, api: httpx.AsyncClient
) -> None:
    found = (await api.get("/api/v1/status")).json()
    assert found["state"] == "degraded"
    assert found["components"]["backends.mqtt"]["reason"] == "connection refused"
    assert found["components"]["sources.docker"]["counters"] == {"records": 42}
    assert found["store"]["next"] == f"{world.store.next_offset:016x}"


async def test_status_and_metrics_tell_what_was_lost_and_what_was_written(
    world: World, api: httpx.AsyncClient
) -> None:
    world.store.account.totals["lost"] = 3
    world.store.account.wrote("records", 100)
    found = (await api.get("/api/v1/status")).json()["store"]
    assert (found["size"], found["totals"]) == (0, {"lost": 3})
    assert list(found["written"].values()) == [{"records": 100}]
    text = (await api.get("/api/v1/metrics")).text
    assert 'towline_written_bytes_total{kind="records"} 100\n' in text
    assert 'towline_lost_ever_total{kind="lost"} 3\n' in text
    assert "towline_store_bytes 0\n" in text


async def test_ready_says_what_it_waits_for(world: World, api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1/ready")).status_code == 200
    world.is_ready = False
    answer = await api.get("/api/v1/ready")
    assert (answer.status_code, answer.json()["waiting"]) == (503, ["backends.mqtt"])


async def test_health_is_served_while_nothing_is_ready(
    world: World, api: httpx.AsyncClient
) -> None:
    world.is_ready = False
    assert (await api.get("/api/v1/health")).json() == {"status": "ok"}


async def test_containers_sources_and_backends_are_lists(api: httpx.AsyncClient) -> None:
    for name in ("containers", "sources", "backends"):
        found = (await api.get(f"/api/v1/{name}")).json()
        assert found["count"] == len(found[name]) > 0


async def test_a_backend_that_only_takes_says_so(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/backends/mqtt/logs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "stream_only")


async def test_a_backend_that_can_be_asked_is_asked(world: World, api: httpx.AsyncClient) -> None:
    class Holder:
        async def query(self, query: object) -> list[bytes]:
            return [b'{"id":"1"}']

    world.holders["elk"] = Holder()
    answer = await api.get("/api/v1/backends/elk/logs?level=error")
    assert answer.json() == {"count": 1, "logs": [{"id": "1"}], "next": None}


async def test_an_unknown_backend_is_not_found(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/backends/nope/logs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_containers_are_attached_and_detached_by_hand(
    world: World, api: httpx.AsyncClient
) -> None:
    path = f"/api/v1/logs/{WEB.container_id}/attach"
    assert (await api.post(path)).json()["attached"] is True
    assert world.attached == {WEB.container_id: (None, None)}
    await api.post(path, json={"serviceId": 3, "serviceName": "front"})
    assert world.attached == {WEB.container_id: (3, "front")}
    assert (await api.delete(path)).json()["attached"] is False
    assert (await api.delete(path)).status_code == 404


@pytest.mark.parametrize("body", [{"serviceId": "x"}, {"serviceName": 1}, {"service": "a"}])
async def test_attaching_with_nonsense_is_refused(
    api: httpx.AsyncClient, body: dict[str, object]
) -> None:
    answer = await api.post(f"/api/v1/logs/{WEB.container_id}/attach", json=body)
    assert answer.status_code == 400


async def test_a_file_at_fault_is_answered_with_its_problems(
    world: World, api: httpx.AsyncClient
) -> None:
    problem = Problem(code="unknown_key", text="no such key", line=3, path=("backends", 0))
    world.reload_error = ConfigError([problem])
    answer = await api.post("/api/v1/config/reload")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "config_invalid")
    assert error["problems"][0]["line"] == 3
    assert error["problems"][0]["path"] == ["backends", "0"]


async def test_reload_tells_its_outcome(api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/v1/config/reload")).json()["outcome"] == "applied"


async def test_configuration_is_the_text_of_the_file(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/config")
    assert answer.headers["content-type"].startswith("application/yaml")
    assert "!secret mqtt" in answer.text


async def test_metrics_are_prometheus_text(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/metrics")
    lines = answer.text.splitlines()
    assert 'towline_info{version="1.2.3",device="pi"} 1' in lines
    assert 'towline_up{component="backends.mqtt"} 0' in lines
    assert 'towline_records_total{component="sources.docker"} 42' in lines
    assert 'towline_backend_lag_records{backend="mqtt"} 3' in lines
    sample = re.compile(r'(# (HELP|TYPE) .+|[a-z_:]+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.e+-]+)')
    assert all(sample.fullmatch(line) for line in lines)
    kinds = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))


async def test_a_fault_of_ours_is_said_without_its_inside(world: World) -> None:
    def broken() -> bool:
        raise ZeroDivisionError("inner secret")

    world.ready = broken  # type: ignore[method-assign]
    async with client(world) as api:
        answer = await api.get("/api/v1/ready")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in answer.text


async def test_unknown_paths_and_methods_have_the_one_shape(api: httpx.AsyncClient) -> None:
    for method, path, status, code in [
        ("GET", "/api/v1/nope", 404, "not_found"),
        ("GET", "/..%2f..%2fetc/passwd", 404, "not_found"),
        ("GET", "/server.py", 404, "not_found"),
        ("PATCH", "/api/v1/logs", 405, "method_not_allowed"),
    ]:
        answer = await api.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("path", ["/", "/api/v1/logs", "/api/v1/nope", "/api/v1/ready"])
async def test_every_answer_is_hardened(api: httpx.AsyncClient, path: str) -> None:
    headers = (await api.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


async def test_the_page_asks_for_nothing_from_elsewhere(api: httpx.AsyncClient) -> None:
    for name in FILES:
        answer = await api.get(f"/{name}")
        assert answer.status_code == 200, name
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|\binnerHTML\b|\binsertAdjacentHTML\b|\beval\(", text), name
        assert not re.search(r"""(src|href)="/|from "/|\son\w+=|style=""", text), name


def test_openapi_and_the_routes_are_the_same(world: World) -> None:
    described = document("1.2.3")
    found = {
        (method.upper(), path) for path, item in described["paths"].items() for method in item
    } | {("WS", path) for path in described["x-websockets"]}
    desk = Desk(towline=world, viewers=None, gate=None)  # type: ignore[arg-type]
    served = set()
    for route in routes(desk):
        if isinstance(route, WebSocketRoute):
            served.add(("WS", route.path))
        elif isinstance(route, Route):
            assert route.methods
            served |= {(method, route.path) for method in route.methods - {"HEAD"}}
    assert found == served == {(e.method, e.path) for e in ENDPOINTS}


def test_openapi_describes_every_parameter() -> None:
    used = {name for endpoint in ENDPOINTS for name in endpoint.query}
    assert used <= PARAMETERS.keys()
    assert set(asked.FILTERS) <= used


async def test_openapi_is_served(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/openapi.json")
    assert json.loads(answer.content)["info"]["version"] == "1.2.3"


def test_documentation_names_every_endpoint_and_no_other() -> None:
    rows = re.findall(r"^\| `(GET|POST|DELETE|PUT|WS) ([^`]+)` \|", DOCS.read_text(), re.MULTILINE)
    documented = {
        (method, path if path.startswith(("/v1/", "/device/")) else f"/api/v1{path}")
        for method, path in rows
    }
    assert documented == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_documentation_names_every_parameter() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.MULTILINE))
    asked_for = {name for endpoint in ENDPOINTS for name in (*endpoint.query, *endpoint.body)}
    used = {name.partition(":")[0] for name in asked_for}
    assert rows == used


def test_a_duration_is_that_long_ago() -> None:
    found = asked.Asked([("since", "90s")], asked.FILTERS, now=lambda: NOW / 1000)
    assert found.instant("since") == NOW - 90_000


async def test_the_headers_do_not_touch_websockets() -> None:
    seen: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:
        seen.append("called")
        assert send is sender

    async def sender(message: object) -> None: ...

    await Hardened(app)({"type": "websocket"}, asyncio.Event().wait, sender)  # type: ignore[arg-type]
    assert seen == ["called"]
