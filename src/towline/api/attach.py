"""Attach and detach containers by hand."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.bodies import read_object
from towline.api.desk import Desk
from towline.errors import QueryError


async def attach(desk: Desk, request: Request) -> Response:
    """Read a container's log from now on: `{serviceId?, serviceName?}`."""
    body = await read_object(request)
    if unknown := body.keys() - {"serviceId", "serviceName"}:
        raise QueryError("unknown_parameter", f"{min(unknown)}: unknown parameter")
    service_id, service_name = body.get("serviceId"), body.get("serviceName")
    if service_id is not None and (isinstance(service_id, bool) or not isinstance(service_id, int)):
        raise QueryError("bad_parameter", "serviceId: a whole number")
    if service_name is not None and not isinstance(service_name, str):
        raise QueryError("bad_parameter", "serviceName: a text")
    container_id = request.path_params["id"]
    await desk.towline.attach(container_id, service_id, service_name)
    return answers.json({"containerId": container_id, "attached": True})


async def detach(desk: Desk, request: Request) -> Response:
    """Stop reading a container's log."""
    container_id = request.path_params["id"]
    await desk.towline.detach(container_id)
    return answers.json({"containerId": container_id, "attached": False})
