"""A stand-in for Home Assistant's Supervisor: what an app asks of it, and its ingress.

Only what Towline uses, with the answers that Supervisor gives (supervisor/api). There is no real
one outside of Home Assistant OS.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TOKEN = "0123456789abcdef"
DENIED = 403, {"result": "error", "message": "No access to mqtt service!"}
NO_SERVICE = 400, {"result": "error", "message": "Service not enabled"}


@dataclass(slots=True)
class Supervisor:
    """Answers on `address`; fields may be changed at any time. `mqtt` None: no broker app.

    While `talking` is clear, it takes questions and does not answer.
    """

    address: tuple[str, int] = ("127.0.0.1", 0)
    mqtt: dict[str, Any] | None = None
    allowed: bool = True
    apps: list[dict[str, Any]] = field(default_factory=list)
    ourselves: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    talking: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.server_address[1])

    def broker(self, port: int, **login: str) -> None:
        """The service of the Mosquitto app, as that one publishes it."""
        about = {"host": "127.0.0.1", "port": port, "ssl": False, "protocol": "3.1.1"}
        self.mqtt = {**about, "username": "", "password": "", **login, "addon": "core_mosquitto"}

    def answer(self, path: str, token: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a path."""
        self.asked.append(path)
        if token != f"Bearer {TOKEN}":
            return 401, {"result": "error", "message": "Unauthorized"}
        if path == "/services/mqtt":
            if not self.allowed:
                return DENIED
            return NO_SERVICE if self.mqtt is None else _well(self.mqtt)
        if path == "/addons/self/info":
            return _well({"slug": "local_towline", "protected": True, **self.ourselves})
        if path == "/supervisor/info":
            return _well({"version": "2026.10.2", "addons": self.apps})
        return 404, {"result": "error", "message": "Not found"}

    def __enter__(self) -> Self:
        around = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                around.talking.wait()
                status, found = around.answer(self.path, self.headers.get("Authorization", ""))
                body = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *about: object) -> None:
                """Quiet."""

        self.talking.set()
        self._server = ThreadingHTTPServer(self.address, Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.talking.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def app(slug: str, state: str = "started", **more: Any) -> dict[str, Any]:
    """A row of the list of apps."""
    about = {"name": slug.partition("_")[2].title(), "version": "1.0.0", "update_available": False}
    return {"slug": slug, "state": state, **about, **more}


def _well(data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"result": "ok", "data": data}
