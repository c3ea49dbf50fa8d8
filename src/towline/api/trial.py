"""A configuration before it is in force: what is wrong with it, what it would change."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.asked import Asked
from towline.api.bodies import read_bytes
from towline.api.desk import Desk
from towline.api.masking import unmasked


async def check(desk: Desk, request: Request) -> Response:
    """Say what is wrong with a YAML text, as if it stood in the file's place."""
    called = _called(request)
    problems = await desk.towline.check(await _text(desk, request), called)
    told = [answers.problem(problem) for problem in problems]
    return answers.json({"valid": not told, "problems": told})


async def plan(desk: Desk, request: Request) -> Response:
    """Say what a YAML text would start, change and stop in the file's place."""
    called = _called(request)
    return answers.json(await desk.towline.plan(await _text(desk, request), called))


async def routes(desk: Desk, request: Request) -> Response:
    """Backends and routes in force."""
    return answers.json(desk.towline.routing())


async def labels(desk: Desk, request: Request) -> Response:
    """Labels of the containers whose records are stored, by container id."""
    known = desk.towline.store.decode.labels
    return answers.json({"labels": {key: dict(pairs) for key, pairs in known.items()}})


def _called(request: Request) -> str:
    return Asked(request.query_params.multi_items(), ("file",)).one("file")


async def _text(desk: Desk, request: Request) -> bytes:
    """The body; a `***` in it stands for what is in the file, as the page shows it."""
    body = await read_bytes(request)
    try:
        given = body.decode()
    except UnicodeDecodeError:
        return body  # checking it says so
    return unmasked(given, desk.towline.config_text()).encode()
