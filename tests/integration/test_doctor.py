"""`towline doctor` beside a running Towline on a real engine."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from tests.integration.cli_run import running, towline
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import until


def test_it_says_why_lines_are_missing(
    tmp_path: Path, engine: Engine, containers: Containers
) -> None:
    name = secrets.token_hex(4)
    containers.run("sleep 600", name=f"mute-{name}", log_driver="none")
    containers.run("sleep 600", name=f"hidden-{name}", labels={"towline.enable": "false"})
    config = f"""version: 1
sources: {{docker: {{type: docker, url: "{engine.host}"}}}}
brokers: {{home: {{servers: ["mqtt://127.0.0.1:9"]}}}}
backends: {{mqtt: {{type: mqtt, broker: home}}}}
"""
    with running(tmp_path, config) as run:

        def found() -> dict[str, str]:
            told = run.ask("doctor", "--json", "--notes")
            assert told.returncode == 1
            return {each["about"]: each["code"] for each in json.loads(told.stdout)}

        until(lambda: {f"mute-{name}", f"hidden-{name}", "brokers.home"} <= found().keys(), 30)
        assert found()[f"mute-{name}"] == "unreadable_log"
        assert found()[f"hidden-{name}"] == "excluded"
        assert found()["brokers.home"] == "broker_away"
        plain = run.ask("doctor").stdout
        assert f"hidden-{name}" not in plain
        assert "more with --notes" in plain


def test_where_nobody_answers_it_says_so(tmp_path: Path) -> None:
    told = towline("doctor", "--url", "http://127.0.0.1:9")
    assert told.returncode == 2
    assert told.stderr.startswith("towline: ")
