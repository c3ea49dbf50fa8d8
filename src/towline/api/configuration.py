"""The configuration: read it, read it again."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.desk import Desk
from towline.api.masking import masked


async def text(desk: Desk, request: Request) -> Response:
    """The file as written, but for secrets."""
    return Response(masked(desk.towline.config_text()), media_type="application/yaml")


async def reload(desk: Desk, request: Request) -> Response:
    """Read the file again and apply it; 422 and its problems where it is at fault."""
    return answers.json(await desk.towline.reload())
