"""Towline as a process of its own, on its defaults, watched from outside.

How far it is can be read in its files: asking its API would cost the time that is measured.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from tests.bench.ground import Ground
from tests.bench.usage import Memory, cpu_seconds, memory
from tests.real.broker import free_port
from tests.real.process import Process
from tests.real.until import until

CLEAN: Final = (
    *("TOWLINE_CONFIG", "TOWLINE_DATA", "TOWLINE_LISTEN", "LOG_DIR", "MQTT_BROKER", "MQTT_TOPIC"),
    *("MQTT_USERNAME", "MQTT_PASSWORD", "MQTT_BATCH", "MQTT_BATCH_INTERVAL"),
    "PYTHONDONTWRITEBYTECODE",  # compiling at every start takes twice the time and 10 MB
)
BATCHES: Final = {"MQTT_BATCH": "50", "MQTT_BATCH_INTERVAL": "1"}
_ID: Final = b'{"id":"'
_TAIL: Final = 4096


class Running:
    """One `towline run`. `mqtt` None: no backend; a mapping: its variables beside the broker's.

    `read` is by which way it reads the engine's containers.
    """

    def __init__(
        self, ground: Ground, name: str, mqtt: dict[str, str] | None = None, *, read: str = "auto"
    ) -> None:
        self.data = ground.folder / name
        self.port = free_port()
        self.data.mkdir()
        config = ground.folder / f"{name}.yaml"
        sources = f"sources: {{docker: {{type: docker, read: {read}}}}}"
        config.write_text(f"version: 1\n{sources}\n")
        env = dict.fromkeys(CLEAN, "") | {"DOCKER_HOST": ground.engine.host}
        if mqtt is not None:
            env |= {"MQTT_BROKER": ground.broker.url, **mqtt}
        options = ["--config", str(config), "--data", str(self.data)]
        options += ["--listen", f"127.0.0.1:{self.port}", "--log-level", "warning"]
        command = [sys.executable, "-m", "towline", "run", *options]
        self.process = Process(command, ground.folder / f"{name}.log", env=env)
        self.started_ns = 0
        self._seen = 0

    def launch(self) -> Self:
        """Start the process and do not wait for it."""
        self.started_ns = time.time_ns()
        self.process.start()
        return self

    def __enter__(self) -> Self:
        self.launch()
        until(lambda: not self.process.running or self._up("sources.docker"), 30)
        if not self.process.running:
            raise RuntimeError(f"Towline did not start:\n{self.process.tail()}")
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.stop()

    def healthy(self) -> bool:
        """Whether the API answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/api/v1/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _up(self, component: str) -> bool:
        try:
            found = self.ask("status")["components"].get(component) or {}
        except urllib.error.URLError:
            return False
        return bool(found.get("state") == "up")

    def ask(self, path: str, method: str = "GET") -> Any:
        """JSON of its API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        body = b"{}" if method == "POST" else None
        request = urllib.request.Request(
            url, data=body, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def attach(self, container: str) -> None:
        """Let it read a container now; it may not have heard of it yet."""
        until(lambda: self._attached(container), 20, "attach")

    def _attached(self, container: str) -> bool:
        try:
            self.ask(f"logs/{container}/attach", "POST")
        except urllib.error.HTTPError as exc:
            if exc.code != http.HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def newest(self) -> bytes:
        """The last row on disk; empty when there is none, or when the file was closed just now."""
        files = sorted((self.data / "logs").glob("*.ndjson"))
        if not files:
            return b""
        try:
            with files[-1].open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - _TAIL))
                rows = file.read().rsplit(b"\n", 2)
        except FileNotFoundError:
            return b""
        return rows[-2] if len(rows) > 1 and rows[-2].startswith(_ID) else b""

    def next_offset(self) -> int:
        """The offset after the last row on disk, as far as it could be seen so far."""
        row = self.newest()
        if row:
            self._seen = int(row[len(_ID) : len(_ID) + 16], 16) + 1
        else:  # the file was closed just now: what is beside it tells, once it is whole
            closed = sorted((self.data / "logs").glob("*.index"))
            with suppress(IndexError, OSError, ValueError):
                self._seen = int(json.loads(closed[-1].read_text().partition("\n")[0])["last"]) + 1
        return self._seen

    def cursor(self) -> int:
        """How far the MQTT backend is, as an offset."""
        path = self.data / "cursors" / "mqtt.cursor"
        return int((path.read_text().split() or ["0"])[0], 16) if path.exists() else 0

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_seconds(self.process.pid)

    @property
    def memory(self) -> Memory:
        """Memory now."""
        return memory(self.process.pid)

    @property
    def logs(self) -> Path:
        """Where its files are."""
        return self.data / "logs"
