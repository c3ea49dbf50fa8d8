"""How it is: status, health, readiness, sources and containers."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.desk import Desk
from towline.api.ports import Towline
from towline.record import record_id
from towline.runtime.findings import Look, findings
from towline.status import State, worst


async def status(desk: Desk, request: Request) -> Response:
    """Every component: state, since, reason, last error, counters."""
    towline = desk.towline
    components = towline.status()
    store = towline.store
    return answers.json(
        {
            "version": towline.version,
            "device": {"id": towline.device.id, "name": towline.device.name},
            "state": worst(components),
            "ready": towline.ready(),
            "store": {
                "first": record_id(store.first_offset),
                "memory": record_id(store.memory_offset),
                "next": record_id(store.next_offset),
                "size": store.files.size,
                "totals": dict(store.account.totals),
                "written": {day: dict(kinds) for day, kinds in store.account.written.items()},
            },
            "viewers": {
                "open": desk.viewers.open,
                "limit": desk.viewers.limit,
                "counters": dict(desk.viewers.health.counters),
            },
            "containers": summed(towline.containers()),
            "components": components,
            "findings": [found.as_json() for found in findings(_look(towline, components))],
        }
    )


def _look(towline: Towline, components: dict[str, dict[str, Any]]) -> Look:
    return Look(
        status=components,
        containers=towline.containers(),
        backends=towline.backends(),
        now=time.time_ns() // 1_000_000,
    )


def summed(containers: list[dict[str, Any]]) -> dict[str, Any]:
    """How containers are, in numbers; `cpu` and `memory` of those of which it is known."""
    return {
        "total": len(containers),
        "running": sum(bool(row.get("running")) for row in containers),
        "unhealthy": sum(row.get("health") == "unhealthy" for row in containers),
        "restarting": sum(row.get("state") == "restarting" for row in containers),
        "outOfMemory": sum(bool(row.get("oom")) for row in containers),
        "read": sum(bool(row.get("attached")) for row in containers),
        "cpu": round(sum(row.get("cpu") or 0 for row in containers), 1),
        "memory": sum(row.get("memory") or 0 for row in containers),
    }


async def health(desk: Desk, request: Request) -> Response:
    """200 while the process serves."""
    return answers.json({"status": "ok"})


async def ready(desk: Desk, request: Request) -> Response:
    """200 when every enabled component is up, else 503 and which ones are not."""
    if desk.towline.ready():
        return answers.json({"ready": True, "waiting": []})
    components = desk.towline.status()
    waiting = sorted(key for key, found in components.items() if found["state"] != State.UP)
    return answers.json({"ready": False, "waiting": waiting}, 503)


async def alerts(desk: Desk, request: Request) -> Response:
    """Alerts: state, for whom they fire, when they fired last, what became of their actions."""
    found = desk.towline.alerts()
    return answers.json({"count": len(found), "alerts": found})


async def sources(desk: Desk, request: Request) -> Response:
    """Sources and their health."""
    found = desk.towline.sources()
    return answers.json({"count": len(found), "sources": found})
