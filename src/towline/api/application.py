"""The ASGI application: routes, the one shape of errors, headers that harden every answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from towline.api import answers, page
from towline.api.desk import Desk
from towline.api.routes import routes
from towline.errors import ConfigError, NotFound, Overloaded, QueryError, SourceError, StoreError
from towline.live.viewers import Full

_CSP: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_HEADERS: Final = (
    (b"content-security-policy", _CSP),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Hardened:
    """Adds the headers that every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; dress what is answered."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = (b"date", formatdate(usegmt=True).encode())
                message["headers"] = [*message["headers"], *_HEADERS, date]
            await send(message)

        await self._app(scope, receive, send if scope["type"] == "websocket" else dressed)


def application(desk: Desk) -> ASGIApp:
    """The API and the page."""
    handlers: Mapping[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        HTTPException: _http_error,
        QueryError: _query_error,
        ConfigError: _config_error,
        NotFound: _not_found,
        SourceError: _source_error,
        Overloaded: _overloaded,
        StoreError: _store_error,
        Full: _full,
        Exception: _fault,
    }
    return Hardened(Starlette(routes=[*routes(desk), *page.routes()], exception_handlers=handlers))


async def _http_error(request: Request, exc: HTTPException) -> Response:
    code = answers.CODES.get(exc.status_code, "refused")
    return answers.error(exc.status_code, code, exc.detail, headers=exc.headers)


async def _query_error(request: Request, exc: QueryError) -> Response:
    return answers.error(400, exc.code, str(exc))


async def _config_error(request: Request, exc: ConfigError) -> Response:
    return answers.refused_file(exc)


async def _not_found(request: Request, exc: NotFound) -> Response:
    return answers.error(404, "not_found", str(exc))


async def _source_error(request: Request, exc: SourceError) -> Response:
    return answers.error(503, "source_away", str(exc), headers={"Retry-After": "5"})


async def _overloaded(request: Request, exc: Overloaded) -> Response:
    return answers.error(503, exc.code, str(exc), headers={"Retry-After": "2"})


async def _store_error(request: Request, exc: StoreError) -> Response:
    return answers.error(503, "store_unusable", str(exc))


async def _full(request: Request, exc: Full) -> Response:
    return answers.error(503, "too_many_viewers", str(exc), headers={"Retry-After": "30"})


async def _fault(request: Request, exc: Exception) -> Response:
    """A fault of ours: said without its inner parts; the traceback is in the log."""
    return answers.error(500, "internal", "a fault of Towline's own; its log has the details")
