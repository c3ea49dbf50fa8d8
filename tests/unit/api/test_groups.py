from __future__ import annotations

from typing import Any

import httpx

from towline.api.groups import grouped

STACK = {"project": "shop", "device": "pi", "source": "docker", "running": True}


def row(**about: Any) -> dict[str, Any]:
    return STACK | about


def test_containers_of_one_name_on_two_devices_are_two_services() -> None:
    rows = [
        row(serviceName="web", attached=True),
        row(serviceName="web", running=False, health="unhealthy"),
        row(serviceName="web", device="nas", source="nas"),
        row(serviceName=None),
    ]
    first, second = grouped(rows, ("serviceName", "project", "device"))
    assert first == {
        "name": "web",
        "project": "shop",
        "device": "nas",
        "containers": 1,
        "running": 1,
        "unhealthy": 0,
        "read": 0,
        "sources": ["nas"],
    }
    assert (second["containers"], second["running"], second["unhealthy"]) == (2, 1, 1)


def test_a_container_without_a_project_is_in_no_stack() -> None:
    assert grouped([row(project=None)], ("project", "device")) == []


async def test_services_stacks_and_hosts_are_listed(api: httpx.AsyncClient) -> None:
    found = (await api.get("/api/v1/services")).json()
    assert found["count"] == len(found["services"]) == 2
    assert {service["name"] for service in found["services"]} == {"web", "db"}
    (stack,) = (await api.get("/api/v1/stacks")).json()["stacks"]
    assert (stack["name"], stack["containers"]) == ("shop", 2)
    hosts = (await api.get("/api/v1/hosts")).json()["hosts"]
    assert hosts[0]["name"] == (await api.get("/api/v1/status")).json()["device"]["id"]
