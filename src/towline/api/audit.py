"""Who changed what."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from towline.api import answers
from towline.api.asked import Asked
from towline.api.desk import Desk

MOST: Final = 1000


async def entries(desk: Desk, request: Request) -> Response:
    """Entries of the audit, newest first; `next` goes on with the older ones."""
    asked = Asked(request.query_params.multi_items(), ("limit", "before"))
    limit = asked.whole("limit", 100, least=1, most=MOST)
    before = asked.whole("before", 0, least=0, most=1 << 53) or None
    rows, more = await desk.towline.audit.page(limit, before)
    return answers.page("audit", rows, None if more is None else str(more))
