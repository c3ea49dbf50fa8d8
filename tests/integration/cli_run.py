"""`towline run` as its own process on the demo source, and the command line that asks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.real.broker import free_port
from tests.real.process import Process
from tests.real.until import until

DEMO = """version: 1
device: {id: pi, name: Living room Pi}
sources: {demo: {type: demo, interval: 50ms}}
"""
MAIN = "from towline.cli import main; main()"
_OURS = ("TOWLINE_", "MQTT_", "DOCKER_", "LOG_DIR", "NO_COLOR")


def environment(**given: str) -> dict[str, str]:
    """This process's environment without what Towline listens to."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}
    return kept | given


def towline(
    *arguments: str, folder: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=folder,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Run:
    """A `towline run` with a folder of its own: `towline.yaml`, `data` and what it says."""

    def __init__(self, folder: Path, config: str = DEMO, **given: str) -> None:
        self.folder = folder
        self.file = folder / "towline.yaml"
        self.file.write_text(config)
        self.data = folder / "data"
        self.listen = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.listen}"
        self._log = folder / "run.log"
        emptied = {name: "" for name in os.environ if name.startswith(_OURS)}
        self.process = Process(self.command(), self._log, env={**emptied, **given})

    def command(self) -> list[str]:
        """The command line of the process."""
        options = ["--config", str(self.file), "--data", str(self.data), "--listen", self.listen]
        return [sys.executable, "-c", MAIN, "run", *options]

    @property
    def said(self) -> str:
        """Its standard error."""
        return self._log.read_text()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process.start()
        until(lambda: self.ask("status").returncode != 2 or not self.process.running, 30)
        assert self.process.running, self.said

    def ask(self, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
        """A command that asks it."""
        return towline(*arguments, env={"TOWLINE_URL": self.url, **given})

    def records(self, *arguments: str) -> list[dict[str, Any]]:
        """What `towline logs --json` gives."""
        found = self.ask("logs", "--json", *arguments)
        assert found.returncode == 0, found.stderr
        return [json.loads(row) for row in found.stdout.splitlines()]

    def status(self) -> dict[str, Any]:
        """What `towline status --json` gives."""
        found: dict[str, Any] = json.loads(self.ask("status", "--json").stdout)
        return found


@contextmanager
def running(folder: Path, config: str = DEMO, **given: str) -> Iterator[Run]:
    """A `towline run` that answers; it is stopped afterwards."""
    folder.mkdir(exist_ok=True)
    run = Run(folder, config, **given)
    try:
        run.start()
        yield run
    finally:
        run.process.stop()


def tail_of(run: Run, log: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Process:
    """A `towline tail --json` that was started; records go to `log`, the rest to `log.err`."""
    shell = 'exec "$@" 2>"$0"'
    command = ["sh", "-c", shell, f"{log}.err", sys.executable, "-c", MAIN, "tail", "--json"]
    process = Process([*command, *arguments], log, env={"TOWLINE_URL": run.url, **(env or {})})
    process.start()
    return process


def rows(log: Path) -> list[dict[str, Any]]:
    """The whole rows a tail has written so far."""
    text = log.read_text() if log.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    return [json.loads(row) for row in whole.splitlines()]
