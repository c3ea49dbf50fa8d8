"""The table of everything the API answers: the router, openapi.json and the tests read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from towline.api import (
    answers,
    attach,
    audit,
    backends,
    brokers,
    configuration,
    containers,
    device,
    groups,
    logs,
    messages,
    metrics,
    status,
    streams,
    subscriptions,
    trial,
)
from towline.api.asked import AROUND, EXPORT, FILTERS, PAGING
from towline.api.auth import Asker, Refusal, bearer
from towline.api.desk import Desk

PREFIX: Final = "/api/v1"
_SAFE: Final = frozenset({"GET", "HEAD"})
_TRIALS: Final = frozenset({f"{PREFIX}/config/check", f"{PREFIX}/config/plan"})
"""What changes nothing though its method could."""

_TOLD: Final = frozenset({f"{PREFIX}/config"})
"""What is written down though it changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path. `scope` is the least that is needed; `method` WS is a WebSocket.

    `query` and `body` name the parameters, for openapi.json (`name:key` where one of that name
    means something else elsewhere); `about_body` is a body of other keys.
    `live` ones take the token from the query string as well: browsers cannot send a header with
    them.
    """

    method: str
    path: str
    handler: Callable[[Desk, Any], Awaitable[Response | None]]
    scope: str
    about: str
    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    about_body: str = ""
    media_type: str = "application/json"

    @property
    def audited(self) -> bool:
        """Whether it is written down who asked: for what changes something, or tells the file."""
        changes = self.method not in _SAFE and self.scope in ("operate", "admin")
        return (changes and self.path not in _TRIALS) or (self.path in _TOLD and not changes)

    @property
    def action(self) -> str:
        """What the audit calls it."""
        return f"{self.method} {self.path.removeprefix(PREFIX)}"

    @property
    def live(self) -> bool:
        """Whether records go on coming."""
        return self.method == "WS" or self.media_type == "text/event-stream"


_SEARCH: Final = (*FILTERS, *PAGING)
_FIND: Final = (*_SEARCH, *AROUND)
_FOLLOW: Final = (*FILTERS, *streams.LIVE)


def _live(path: str, about: str, kind: str = "") -> tuple[Endpoint, Endpoint]:
    common: dict[str, Any] = {"path": path, "scope": "read", "query": _FOLLOW}
    return (
        Endpoint(
            method="GET",
            handler=streams.events(kind),
            about=f"Follow {about}; resumes after Last-Event-ID",
            media_type="text/event-stream",
            **common,
        ),
        Endpoint(method="WS", handler=streams.socket(kind), about=f"Follow {about}", **common),
    )


def _table() -> tuple[Endpoint, ...]:
    def on(
        method: str, path: str, handler: Callable[..., Any], scope: str, **more: Any
    ) -> Endpoint:
        about = (handler.__doc__ or "").partition("\n")[0].rstrip(".")
        return Endpoint(
            method=method, path=path, handler=handler, scope=scope, **({"about": about} | more)
        )

    api = PREFIX
    attached, backend = f"{api}/logs/{{id}}/attach", f"{api}/backends/{{name}}"
    one, sender = f"{api}/mqtt-config/{{broker}}", "/device/v2/{uuid}"
    keys = "the keys of a broker as in the YAML; *** stands for what is there"
    return (
        on("GET", f"{api}/logs", logs.search, "read", query=_FIND),
        on("GET", "/v1/logs", logs.search, "read", query=_FIND),
        on("POST", f"{api}/logs/search", logs.search_by_body, "read", body=_FIND),
        on(
            "GET",
            f"{api}/logs/export",
            logs.export,
            "read",
            query=(*FILTERS, *EXPORT),
            media_type="application/x-ndjson",
        ),
        on("DELETE", f"{api}/logs", logs.remove, "admin", query=(*FILTERS, "all")),
        on("GET", f"{api}/logs/count", logs.count, "read", query=FILTERS),
        on("GET", f"{api}/logs/histogram", logs.histogram, "read", query=(*FILTERS, "bucket")),
        *_live(f"{api}/logs/stream", "all records"),
        *(
            endpoint
            for kind, about in streams.PATHS.items()
            for endpoint in _live(f"{api}/{kind}/{{id}}/logs", about, kind)
        ),
        on("POST", attached, attach.attach, "operate", body=("serviceId", "serviceName")),
        on("DELETE", attached, attach.detach, "operate"),
        on("GET", f"{api}/containers", containers.containers, "read"),
        *(
            on(
                "POST",
                f"{api}/containers/{{id}}/{what}",
                containers.control(what),
                "operate",
                about=f"{what.capitalize()} a container, where homeassistant.controls is true",
            )
            for what in containers.CONTROLS
        ),
        on("GET", f"{api}/services", groups.services, "read"),
        on("GET", f"{api}/stacks", groups.stacks, "read"),
        on("GET", f"{api}/hosts", groups.hosts, "read"),
        on("GET", f"{api}/sources", status.sources, "read"),
        on("GET", f"{api}/alerts", status.alerts, "read"),
        on("GET", f"{api}/backends", backends.backends, "read"),
        on("GET", f"{backend}/logs", backends.held, "read", query=_SEARCH),
        on("GET", f"{backend}/dead", backends.dead, "read", query=("limit", "after")),
        on("POST", f"{backend}/dead/replay", backends.revive, "operate"),
        on("POST", f"{backend}/pause", backends.pause, "operate"),
        on("POST", f"{backend}/resume", backends.resume, "operate"),
        on("POST", f"{backend}/replay", backends.replay, "operate", body=("since", "from")),
        on("GET", f"{api}/status", status.status, "read"),
        on("GET", f"{api}/health", status.health, "public"),
        on("GET", f"{api}/ready", status.ready, "read"),
        on("GET", f"{api}/metrics", metrics.metrics, "read", media_type="text/plain"),
        on("GET", f"{api}/config", configuration.text, "admin", media_type="application/yaml"),
        on("PUT", f"{api}/config", configuration.edit, "admin"),
        on("POST", f"{api}/config/check", trial.check, "admin", query=("file",)),
        on("POST", f"{api}/config/plan", trial.plan, "admin", query=("file",)),
        on("GET", f"{api}/config/routes", trial.routes, "admin"),
        on("GET", f"{api}/containers/labels", trial.labels, "admin"),
        on("POST", f"{api}/config/reload", configuration.reload, "operate"),
        on("GET", f"{api}/config/history", configuration.history, "read"),
        on("GET", f"{api}/audit", audit.entries, "admin", query=("limit", "before:audit")),
        on("GET", f"{api}/mqtt-config", brokers.brokers, "admin"),
        on("GET", one, brokers.broker, "admin"),
        on("PUT", one, brokers.edit, "admin", about_body=keys),
        on("POST", f"{one}/test", brokers.test, "admin", about_body=f"{keys}; none: the saved"),
        on("POST", f"{one}/reconnect", brokers.reconnect, "operate"),
        on("GET", f"{one}/status", brokers.status, "read"),
        on(
            "POST",
            f"{sender}/log-stream",
            device.stream,
            "public",
            about_body="lines as NDJSON, for as long as the device sends them; gzip as it likes",
        ),
        on("POST", f"{sender}/logs", device.batch, "public", about_body="an array of lines"),
        on(
            "GET",
            f"{sender}/logs",
            device.read,
            "read",
            query=("count", "start", "stream:device"),
            media_type="application/x-ndjson",
        ),
        on("GET", f"{one}/messages", messages.messages, "admin", query=("topic", "text", "limit")),
        on(
            "POST",
            f"{one}/messages/watch",
            messages.watch,
            "admin",
            about_body="topic: a filter; for: a duration, at most 10m",
        ),
        on("DELETE", f"{one}/messages/watch", messages.unwatch, "admin"),
        on(
            "POST",
            f"{one}/replay",
            messages.replay,
            "admin",
            about_body="of (records or messages), since, until, match, topic, text, speed, rate",
        ),
        on("GET", f"{one}/replay", messages.replayed, "read"),
        on("DELETE", f"{one}/replay", messages.stop, "admin"),
        on("GET", f"{one}/subscriptions", subscriptions.subscriptions, "read"),
        on(
            "PUT",
            f"{one}/subscriptions/{{id}}",
            subscriptions.edit,
            "admin",
            about_body="keys of the subscription as in the YAML; null takes one out",
        ),
        on("GET", f"{api}/openapi.json", _openapi, "read"),
    )


async def _openapi(desk: Desk, request: Request) -> Response:
    """This API, described for programs."""
    from towline.api.openapi import document

    return answers.json(document(desk.towline.version))


def routes(desk: Desk) -> list[BaseRoute]:
    """The table as Starlette serves it."""
    return [
        WebSocketRoute(endpoint.path, _socket(desk, endpoint))
        if endpoint.method == "WS"
        else Route(endpoint.path, _http(desk, endpoint), methods=[endpoint.method])
        for endpoint in ENDPOINTS
    ]


def _http(desk: Desk, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        asker = _asker(request, endpoint, unsafe=request.method not in _SAFE)
        if refusal := desk.gate.admit(asker, endpoint.scope):
            return refused(refusal)
        status = 0
        try:
            found = await endpoint.handler(desk, request)
            assert found is not None, endpoint.path
            status = found.status_code
        finally:
            if endpoint.audited:
                desk.audit(request, endpoint.action, status)
        return found

    return answer


def _socket(desk: Desk, endpoint: Endpoint) -> Callable[[WebSocket], Awaitable[None]]:
    async def serve(websocket: WebSocket) -> None:
        if refusal := desk.gate.admit(_asker(websocket, endpoint, unsafe=True), endpoint.scope):
            await streams.turn_away(websocket, refusal)
        else:
            await endpoint.handler(desk, websocket)

    return serve


def _asker(connection: HTTPConnection, endpoint: Endpoint, *, unsafe: bool) -> Asker:
    token = bearer(connection.headers)
    if not token and endpoint.live:
        token = connection.query_params.get("token", "")
    peer = connection.client.host if connection.client else ""
    return Asker(peer=peer, headers=connection.headers, token=token, unsafe=unsafe)


def refused(refusal: Refusal) -> Response:
    """A refusal as an HTTP answer."""
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
    return answers.error(refusal.status, refusal.code, refusal.text, headers=headers)


ENDPOINTS: Final = _table()
"""Every endpoint. What is not in this table does not exist."""
