"""Services, stacks and hosts: what the containers that are known belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.desk import Desk

Row = Mapping[str, Any]


async def services(desk: Desk, request: Request) -> Response:
    """Services that are known, and how their containers are."""
    found = grouped(desk.towline.containers(), ("serviceName", "project", "device"))
    return answers.json({"count": len(found), "services": found})


async def stacks(desk: Desk, request: Request) -> Response:
    """Compose projects and Swarm stacks that are known, and how their containers are."""
    found = grouped(desk.towline.containers(), ("project", "device"))
    return answers.json({"count": len(found), "stacks": found})


async def hosts(desk: Desk, request: Request) -> Response:
    """Devices whose containers are known, this one first, and how those are."""
    own = desk.towline.device.id
    found = grouped(desk.towline.containers(), ("device",))
    if all(row["name"] != own for row in found):
        found.append(_summed({"name": own}, ()))
    found.sort(key=lambda row: row["name"] != own)
    return answers.json({"count": len(found), "hosts": found})


def grouped(containers: Iterable[Row], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Containers by what they have in common; those without the first of the keys count nowhere."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in containers:
        if row.get(keys[0]):
            groups.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    return [
        _summed(dict(zip(("name", *keys[1:]), group, strict=True)), rows)
        for group, rows in sorted(groups.items(), key=lambda item: list(map(str, item[0])))
    ]


def _summed(about: dict[str, Any], rows: Iterable[Row]) -> dict[str, Any]:
    rows = list(rows)
    return about | {
        "containers": len(rows),
        "running": sum(bool(row.get("running")) for row in rows),
        "unhealthy": sum(row.get("health") == "unhealthy" for row in rows),
        "read": sum(bool(row.get("attached")) for row in rows),
        "sources": sorted({str(row["source"]) for row in rows if row.get("source")}),
    }
