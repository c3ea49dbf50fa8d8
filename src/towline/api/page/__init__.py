"""The page: plain ES modules, served as they are. Names come from a table, never from a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

MODULES: Final = (
    "page.js",
    "api.js",
    "stream.js",
    "rows.js",
    "ansi.js",
    "parts.js",
    "status.js",
    "containers.js",
    "history.js",
    "theme.js",
)
"""The page's code; `stream.js` stands alone, for other pages to import."""

FILES: Final = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "dark.css": "text/css; charset=utf-8",
    **dict.fromkeys(MODULES, "text/javascript; charset=utf-8"),
    "icon.svg": "image/svg+xml",
}
"""Every file of the page and its type."""


def routes() -> list[BaseRoute]:
    """The page under `/`; addresses in it are relative, so that it works below any path."""
    found: list[BaseRoute] = [Route("/", _file("index.html"), methods=["GET"])]
    return found + [Route(f"/{name}", _file(name), methods=["GET"]) for name in FILES]


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    path = files(__package__) / name

    async def answer(request: Request) -> Response:
        return Response(path.read_bytes(), media_type=FILES[name])

    return answer
