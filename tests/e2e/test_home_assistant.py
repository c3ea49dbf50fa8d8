"""Devices in a real Home Assistant: how they come, what they say, how they go."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.cli_run import Run
from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.homeassistant import NEWEST, HomeAssistant
from tests.real.until import auntil

pytestmark = [pytest.mark.slow, pytest.mark.homeassistant, pytest.mark.timeout(1200)]

CACHE = Path(__file__).parents[2] / "data" / "workshop" / "homeassistant"
VERSION = os.environ.get("TOWLINE_TEST_HOME_ASSISTANT", NEWEST)
PATIENCE = 60.0
TALKING = "while true; do echo hello; echo 'ERROR it broke' >&2; sleep 1; done"
CONFIG = """version: 1
device: {{id: {device}, name: The {device}}}
sources: {{docker: {{type: docker, url: "{engine}", include: [{{name: "{device}*"}}]}}}}
brokers: {{home: {{servers: ["{broker}"]}}}}
homeassistant: {{discovery: true, controls: true}}
"""


class Scene:
    """A Home Assistant, a Towline, and the containers of one test."""

    def __init__(self, home: HomeAssistant, run: Run, device: str) -> None:
        self.home = home
        self.run = run
        self.device = device

    def entity(self, platform: str, name: str, key: str) -> str:
        """The id of an entity of a container."""
        slug = name.replace("-", "_").replace(".", "_")
        return f"{platform}.{slug}_{key}"

    async def becomes(self, entity: str, *wanted: str | None) -> str | None:
        """Wait until an entity has one of these states; None is that there is no such entity."""
        seen: list[str | None] = []

        async def has() -> bool:
            seen[:] = [await self.home.state(entity)]
            return seen[0] in wanted

        await auntil(has, PATIENCE, f"{entity} to become {wanted}")
        return seen[0]

    async def appears(self, entity: str) -> dict[str, Any]:
        """Wait until an entity says something."""

        async def says() -> dict[str, Any] | None:
            found = (await self.home.states()).get(entity)
            return found if found and found["state"] not in ("unknown", "unavailable") else None

        return await auntil(says, PATIENCE, entity) or {}

    async def listens(self) -> None:
        """Wait until the broker has granted everything that Towline subscribes to."""

        async def granted() -> bool:
            async with httpx.AsyncClient(base_url=self.run.url) as client:
                answer = await client.get("/api/v1/mqtt-config/home/status")
            found = answer.json()["subscriptions"]
            return bool(found) and all(one["granted"] is not None for one in found)

        await auntil(granted, PATIENCE, "subscriptions")

    async def devices(self) -> dict[str, str]:
        """Names and ids of this Towline's devices."""
        (found,) = await self.home.tell({"type": "config/device_registry/list"})
        return {
            one["name"]: one["id"]
            for one in found
            if any(self.device in identifier for _, identifier in one["identifiers"])
        }


@asynccontextmanager
async def scene(
    folder: Path, engine: Engine, broker: Broker, home: HomeAssistant
) -> AsyncIterator[Scene]:
    device = f"d{secrets.token_hex(3)}"
    folder.mkdir(exist_ok=True)
    config = CONFIG.format(device=device, engine=engine.host, broker=broker.url)
    run = Run(folder, config)
    await asyncio.to_thread(run.start)
    try:
        yield Scene(home, run, device)
    finally:
        await asyncio.to_thread(run.process.stop)


async def test_containers_are_devices_from_the_first_word_to_the_last(
    tmp_path: Path, engine: Engine, containers: Containers
) -> None:
    (tmp_path / "home").mkdir()
    with Broker(tmp_path / "broker") as broker:
        await a_life(tmp_path, engine, broker, containers)


async def a_life(tmp_path: Path, engine: Engine, broker: Broker, containers: Containers) -> None:
    async with (
        HomeAssistant(CACHE, tmp_path / "home", broker.url, version=VERSION) as home,
        scene(tmp_path / "towline", engine, broker, home) as at,
    ):
        await a_container_comes_alive(at, containers)
        await an_event_fires_an_automation(at)
        await a_crash_is_an_incident(at, containers)
        await a_button_restarts_a_real_container(at, containers)
        await everything_survives_restarts(at, broker)
        await what_a_user_deletes_stays_deleted(at, broker)
        await a_removed_container_leaves_nothing(at, containers)
        await discovery_that_is_off_takes_everything_back(at)
        # Home Assistant takes a deleted device back once per entity, and wonders about the rest
        # (what its client says is of the broker's restart)
        said = [row for row in await home.complaints() if "mqtt.client]" not in row]
        assert not [row for row in said if "No device components" not in row]


async def a_container_comes_alive(at: Scene, containers: Containers) -> None:
    name = f"{at.device}.web-1"
    await asyncio.to_thread(containers.run, TALKING, name=name)
    await at.becomes(at.entity("binary_sensor", name, "running"), "on")
    await at.becomes(at.entity("sensor", name, "state"), "running")
    await at.becomes(at.entity("sensor", name, "last_error"), "ERROR it broke")
    rate = await at.appears(at.entity("sensor", name, "errors_per_minute"))
    assert rate["attributes"]["unit_of_measurement"] == "lines/min"
    assert await at.home.state(at.entity("binary_sensor", name, "problem")) == "off"
    said = (await at.home.states())[at.entity("sensor", name, "last_error")]
    assert said["attributes"]["message"] == "ERROR it broke"
    assert {name, f"The {at.device}"} <= (await at.devices()).keys()


async def an_event_fires_an_automation(at: Scene) -> None:
    event = at.entity("event", f"{at.device}.web-1", "log")
    await at.appears(event)
    automation = {
        "alias": at.device,
        "triggers": [{"trigger": "state", "entity_id": event}],
        "conditions": [],
        "actions": [
            {
                "action": "persistent_notification.create",
                "data": {
                    "notification_id": at.device,
                    "message": "{{ trigger.to_state.attributes.message }}",
                },
            }
        ],
        "mode": "single",
    }
    await at.home.ask("POST", f"/api/config/automation/config/{at.device}", json=automation)

    async def notified() -> bool:
        (found,) = await at.home.tell({"type": "persistent_notification/get"})
        return any(one["message"] == "ERROR it broke" for one in found)

    await auntil(notified, PATIENCE, "a notification")


async def a_crash_is_an_incident(at: Scene, containers: Containers) -> None:
    name = f"{at.device}-crash"
    script = "echo ready; sleep 4; echo 'out of paper' >&2; exit 3"
    await asyncio.to_thread(containers.run, script, name=name)
    said = await at.appears(at.entity("event", name, "incident"))
    assert said["attributes"]["event_type"] == "die"
    assert said["attributes"]["exit_code"] == 3
    assert said["attributes"]["stderr"] == ["out of paper"]
    await at.becomes(at.entity("sensor", name, "state"), "exited")
    await at.becomes(at.entity("binary_sensor", name, "running"), "off")


async def a_button_restarts_a_real_container(at: Scene, containers: Containers) -> None:
    name = f"{at.device}-crash"

    def begun() -> str:
        return containers.cli("inspect", "--format", "{{.State.StartedAt}}", name).strip()

    before = await asyncio.to_thread(begun)
    await at.home.press(at.entity("button", name, "start"))
    await at.becomes(at.entity("binary_sensor", name, "running"), "on")
    assert await asyncio.to_thread(begun) != before


async def everything_survives_restarts(at: Scene, broker: Broker) -> None:
    running = at.entity("binary_sensor", f"{at.device}.web-1", "running")
    await at.home.restart()
    await at.becomes(running, "on")
    await asyncio.to_thread(at.run.process.stop)
    await at.becomes(running, "unavailable")
    await asyncio.to_thread(at.run.start)
    await at.becomes(running, "on")
    await asyncio.to_thread(broker.restart)
    await at.becomes(running, "on")


async def what_a_user_deletes_stays_deleted(at: Scene, broker: Broker) -> None:
    name = f"{at.device}.web-1"
    device = (await at.devices())[name]
    (entries,) = await at.home.tell({"type": "config_entries/get", "domain": "mqtt"})
    await at.home.tell(
        {
            "type": "config/device_registry/remove_config_entry",
            "config_entry_id": entries[0]["entry_id"],
            "device_id": device,
        }
    )
    running = at.entity("binary_sensor", name, "running")
    await at.becomes(running, None)
    await asyncio.to_thread(at.run.process.stop)
    await asyncio.to_thread(at.run.start)
    await at.becomes(at.entity("binary_sensor", f"{at.device}-crash", "running"), "on", "off")
    assert name not in await at.devices()
    await at.listens()
    await at.home.press(f"button.the_{at.device}_show_deleted_devices_again")
    await at.becomes(running, "on")


async def a_removed_container_leaves_nothing(at: Scene, containers: Containers) -> None:
    """A minute later: Compose makes a container anew within that time."""
    name = f"{at.device}-crash"
    await asyncio.to_thread(containers.remove, name)

    async def gone() -> bool:
        return name not in await at.devices()

    await auntil(gone, 2 * PATIENCE, "the device to go")
    assert await at.home.state(at.entity("sensor", name, "state")) is None
    assert f"{at.device}.web-1" in await at.devices()


async def discovery_that_is_off_takes_everything_back(at: Scene) -> None:
    text = at.run.file.read_text()
    at.run.file.write_text(text.replace("discovery: true", "discovery: false"))

    async def none_left() -> bool:
        return not await at.devices()

    await auntil(none_left, PATIENCE, "every device to go")
