"""The configuration: read it, edit it, read it again, see what was done to it."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.bodies import read_bytes
from towline.api.desk import Desk
from towline.api.masking import masked, still_masked, unmasked
from towline.errors import EditError
from towline.runtime.configuration import etag_of

STATUS: Final = {
    "changed_meanwhile": 412,
    "no_file": 409,
    "read_only": 409,
    "not_writable": 409,
    "included": 409,
    "too_many_tests": 429,
}
"""HTTP's word for each way an edit can be refused."""


async def text(desk: Desk, request: Request) -> Response:
    """The file as written, but for secrets; its ETag is that of the file itself."""
    present = desk.towline.config_text()
    headers = {"ETag": f'"{etag_of(present.encode())}"'}
    return Response(masked(present), headers=headers, media_type="application/yaml")


async def edit(desk: Desk, request: Request) -> Response:
    """Put a text in the file's place and apply it; `***` stands for what is there already."""
    etag = request.headers.get("if-match", "").removeprefix("W/").strip('"')
    if not etag:
        return answers.error(428, "if_match_missing", "say which text you read: If-Match")
    try:
        given = (await read_bytes(request)).decode()
    except UnicodeDecodeError as exc:
        raise HTTPException(400, "the body is not UTF-8") from exc
    found = unmasked(given, desk.towline.config_text())
    if still_masked(found):
        lost = "*** stands for no value here: write it out, or !secret"
        return answers.error(422, "masked_value", lost)
    try:
        outcome = await desk.towline.edit(found.encode(), etag, desk.who(request))
    except EditError as exc:
        return answers.error(STATUS.get(exc.code, 422), exc.code, str(exc))
    headers = {"ETag": f'"{etag_of(desk.towline.config_text().encode())}"'}
    return answers.json(outcome, headers=headers)


async def reload(desk: Desk, request: Request) -> Response:
    """Read the file again and apply it; 422 and its problems where it is at fault."""
    return answers.json(await desk.towline.reload())


async def history(desk: Desk, request: Request) -> Response:
    """How attempts to change the configuration ended."""
    entries = desk.towline.config_history()
    return answers.json({"count": len(entries), "history": entries})
