"""`towline backends`, `pause`, `resume`, `replay` against a real Towline and a real broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.cli_run import Run, running
from tests.real.broker import Broker
from tests.real.until import until

CONFIG = """version: 1
device: {{id: pi}}
sources: {{demo: {{type: demo, interval: 50ms}}}}
brokers: {{home: {{servers: ["{broker}"]}}}}
backends: {{home: {{type: mqtt, broker: home}}}}
"""


def home(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.ask("backends", "--json").stdout)[0]
    return found


def test_a_backend_is_paused_resumed_and_replayed(tmp_path: Path, broker: Broker) -> None:
    with running(tmp_path, CONFIG.format(broker=broker.url)) as run:
        until(lambda: home(run)["counters"].get("sent", 0) > 20, 30, pause=0.2)
        assert run.ask("pause", "home").stdout.startswith("home: paused, ")
        until(lambda: home(run)["lag"] > 5, 30, pause=0.2)
        assert "  paused  " in run.ask("backends").stdout
        sent = home(run)["counters"]["sent"]
        run.process.stop()
        run.start()
        until(lambda: home(run)["lag"] > 10, 30, pause=0.2)
        assert home(run)["paused"]
        assert home(run)["counters"].get("sent", 0) == 0
        assert run.ask("replay", "home", "--since", "1h").stdout.startswith("home: paused, ")
        assert home(run)["lag"] > sent
        assert run.ask("resume", "home").stdout.startswith("home: sending, ")
        until(lambda: home(run)["counters"].get("sent", 0) > sent, 30, pause=0.2)
        until(lambda: home(run)["lag"] == 0, 30, pause=0.1)
        asked = ["logs", "towline", "-n", "all", "--text", "backend home"]
        told = [line.partition("backend home ")[2] for line in run.ask(*asked).stdout.splitlines()]
        assert [text.partition(" ")[0] for text in told] == ["paused,", "replayed", "resumed,"]


def test_what_is_asked_wrongly_is_said(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        assert "no backend" in run.ask("backends").stdout
        refused = run.ask("pause", "none")
        assert (refused.returncode, "no backend 'none'" in refused.stderr) == (1, True)
        assert run.ask("replay", "none").returncode == 2
