"""A message restarts a container, on a real engine and a real broker: only what is allowed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.integration.alert_rig import running
from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil
from towline.app import Towline
from towline.subscriptions.listener import Listener

pytestmark = [pytest.mark.broker, pytest.mark.docker]

FILE = """\
version: 1
device: {{id: pi}}
sources: {{docker: {{type: docker, url: "{engine}", include: [{{name: "mq-*"}}]}}}}
brokers: {{home: {{servers: ["{broker}"]}}}}
homeassistant: {{controls: true, allow: [{{container: mq-web}}]}}
subscriptions:
  web: {{broker: home, topic: do/web, actions: [{{container: {{container: mq-web, do: restart}}}}]}}
  all: {{broker: home, topic: cmd/all, actions: [{{container: {{container: "mq-*", do: stop}}}}]}}
"""


def part(towline: Towline, name: str) -> Listener:
    found = towline.parts()[f"subscriptions.{name}"]
    assert isinstance(found, Listener)
    return found


async def test_a_message_restarts_what_is_allowed_and_nothing_else(
    tmp_path: Path, broker: Broker, engine: Engine, containers: Containers
) -> None:
    for name in ("mq-web", "mq-db"):
        containers.run("trap 'exit 0' TERM; while :; do sleep 0.1; done", name=name)
    began = {name: started(containers, name) for name in ("mq-web", "mq-db")}
    file = tmp_path / "towline.yaml"
    file.write_text(FILE.format(engine=engine.host, broker=broker.url))
    async with running(file, tmp_path / "data") as towline:
        await auntil(lambda: len(towline.containers()) >= 2, 30)
        await auntil(
            lambda: all(part(towline, each).as_json()["granted"] for each in ("web", "all"))
        )
        await asyncio.to_thread(broker.publish, "cmd/all", "")
        await auntil(lambda: part(towline, "all").health.counters["failed"], 30)
        assert "does not fit mq-db" in part(towline, "all").health.last_error
        await asyncio.to_thread(broker.publish, "do/web", "")
        await auntil(lambda: part(towline, "web").health.counters["executed"], 60)
        rows, _ = await towline.audit.page(100)
    assert started(containers, "mq-web") != began["mq-web"]
    assert started(containers, "mq-db") == began["mq-db"]
    found = [(row["actor"], row["action"]) for row in map(json.loads, rows)]
    assert ("subscriptions.web", "restart") in found
    assert ("subscriptions.all", "stop") not in found


def started(containers: Containers, name: str) -> str:
    return containers.cli("inspect", "-f", "{{.State.StartedAt}}", name).strip()
