"""Request bodies: JSON objects, bounded in size and in time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

from towline.errors import QueryError

MAX_BODY: Final = 1 << 20
_PATIENCE: Final = 10.0
_decode = msgspec.json.Decoder().decode


async def read_bytes(request: Request) -> bytes:
    """The body as it comes, within bounds."""
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY:
                    raise HTTPException(413, f"a body has at most {MAX_BODY} bytes")
    except TimeoutError as exc:
        raise HTTPException(408, "the body did not come in time") from exc
    return bytes(body)


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty one."""
    body = await read_bytes(request)
    if not body:
        return {}
    try:
        found = _decode(body)
    except msgspec.DecodeError as exc:
        raise QueryError("bad_json", f"the body is not JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise QueryError("bad_json", "the body must be a JSON object")
    return found
