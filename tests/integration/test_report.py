"""The state reported to a server of balena's kind, a real one on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.integration.cli_run import running
from tests.real.broker import free_port
from tests.real.until import until

CONFIG = """version: 1
device: {{id: pi, name: Living room Pi}}
sources: {{demo: {{type: demo}}}}
state: {{report_to: "http://127.0.0.1:{port}", key: report-key}}
"""


class Server(ThreadingHTTPServer):
    """Takes reports; answers `status`."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.status = 200
        self.reports: list[tuple[str, str, dict[str, Any]]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Authorization", "")
        self.server.reports.append((self.path, key, body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(port: int) -> Iterator[Server]:
    server = Server(port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_is_told_who_we_are_and_how(tmp_path: Path) -> None:
    port = free_port()
    with serving(port) as server, running(tmp_path, CONFIG.format(port=port)) as run:
        until(lambda: server.reports, 30)
        path, key, body = server.reports[0]
        assert path == "/device/v3/state"
        assert key == "Bearer report-key"
        assert body["pi"]["name"] == "Living room Pi"
        assert body["pi"]["is_online"] is True
        assert body["pi"]["towline"]["components"]["store"]["state"] == "up"
        until(lambda: run.status()["components"]["report"]["state"] == "up", 30)
        assert "report-key" not in run.said + json.dumps(run.status())


def test_a_server_that_is_away_is_said_and_told_later(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, CONFIG.format(port=port)) as run:
        until(lambda: run.status()["components"]["report"]["state"] == "degraded", 30)
        with serving(port) as server:
            until(lambda: server.reports, 60)
            until(lambda: run.status()["components"]["report"]["state"] == "up", 30)
