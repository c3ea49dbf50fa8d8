"""Towline as an app: a stand-in for Supervisor, a real broker that wants a password."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.real.broker import Broker, free_port
from tests.real.supervisor import TOKEN, Supervisor
from tests.real.until import auntil
from towline.app import Towline
from towline.config.settings import Secret
from towline.homeassistant import supervisor as client
from towline.homeassistant.hosting import Hosting, options_of
from towline.runtime.configuration import Options

USER = "addons"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as running:
        yield running


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker", users={USER: "first"}) as broker:
        yield broker


def hosting(folder: Path, supervisor: Supervisor, **options: Any) -> Hosting:
    data, config = folder / "app-data", folder / "app-config"
    for each in (data, config):
        each.mkdir(exist_ok=True)
    (data / "options.json").write_text(json.dumps(options))
    return Hosting(
        supervisor=client.Supervisor(Secret(TOKEN), client.asking("127.0.0.1", supervisor.port)),
        options=options_of(data / "options.json"),
        data=data,
        config=config,
        socket=folder / "no.sock",
        ingress="127.0.0.9",
    )


@asynccontextmanager
async def running(hosting: Hosting) -> AsyncIterator[Towline]:
    """The app as `towline run` puts it together."""
    options = Options(
        file=hosting.file(None),
        environment=hosting.environment({"SUPERVISOR_TOKEN": TOKEN}),
        overrides=hosting.overrides(None, f"127.0.0.1:{free_port()}"),
    )
    towline = Towline(options, hosting)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(towline.run())
        await auntil(lambda: hasattr(towline, "store") and "api" in towline.status(), 60)
        try:
            yield towline
        finally:
            towline.stop()


def broker_of(towline: Towline) -> dict[str, Any]:
    return towline.status()["brokers.home"]


async def test_the_first_file_is_valid_and_brings_devices_to_the_broker_that_supervisor_names(
    supervisor: Supervisor, guarded: Broker, tmp_path: Path
) -> None:
    supervisor.broker(guarded.port, username=USER, password="first")
    with guarded.listen("homeassistant/#") as heard:
        async with running(hosting(tmp_path, supervisor)) as towline:
            await auntil(lambda: broker_of(towline)["state"] == "up", 30)
            await auntil(lambda: heard.messages, 30)
            assert towline.status()["configuration"]["state"] == "up"
            assert towline.status()["configuration"]["warnings"] == []
            assert (tmp_path / "app-data" / "logs").is_dir()
    assert "servers: [supervisor]" in (tmp_path / "app-config" / "towline.yaml").read_text()
    assert heard.messages[0].topic == "homeassistant/device/towline_home/towline/config"


async def test_without_a_broker_app_it_says_so_and_connects_once_there_is_one(
    supervisor: Supervisor, guarded: Broker, tmp_path: Path
) -> None:
    async with running(hosting(tmp_path, supervisor)) as towline:
        await auntil(lambda: "no MQTT broker app" in str(broker_of(towline)["reason"]), 30)
        supervisor.allowed = False
        await auntil(lambda: "services: mqtt" in str(broker_of(towline)["reason"]), 60)
        supervisor.allowed = True
        supervisor.broker(guarded.port, username=USER, password="first")
        await auntil(lambda: broker_of(towline)["state"] == "up", 60)


async def test_a_password_that_changed_is_asked_for_by_itself(
    supervisor: Supervisor, guarded: Broker, tmp_path: Path
) -> None:
    supervisor.broker(guarded.port, username=USER, password="first")
    async with running(hosting(tmp_path, supervisor)) as towline:
        await auntil(lambda: broker_of(towline)["state"] == "up", 30)
        guarded.users[USER] = "second"
        guarded.restart()
        await auntil(lambda: broker_of(towline)["state"] != "up", 60)
        supervisor.broker(guarded.port, username=USER, password="second")
        await auntil(lambda: broker_of(towline)["state"] == "up", 60)


async def test_settings_of_supervisor_are_tried_step_by_step_too(
    supervisor: Supervisor, guarded: Broker, tmp_path: Path
) -> None:
    async with running(hosting(tmp_path, supervisor)) as towline:
        report = await towline.brokers.test("home", {}, local=True)
        assert "no MQTT broker app" in report["error"]
        supervisor.broker(guarded.port, username=USER, password="first")
        report = await towline.brokers.test("home", {}, local=True)
        assert report["connected"], report
        assert "first" not in json.dumps(report)


async def test_the_password_is_nowhere_to_be_seen(supervisor: Supervisor, tmp_path: Path) -> None:
    password = secrets.token_hex(8)
    with Broker(tmp_path / "broker", users={USER: password}) as broker:
        supervisor.broker(broker.port, username=USER, password=password)
        async with running(hosting(tmp_path, supervisor)) as towline:
            await auntil(lambda: broker_of(towline)["state"] == "up", 30)
            shown = [towline.brokers.one("home"), towline.status(), towline.config_history()]
            assert password not in json.dumps(shown, default=str)
            assert TOKEN not in json.dumps(shown, default=str)
