"""Towline as an app: a stand-in for Supervisor, a real broker that wants a password."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.gitops_rig import Repository
from tests.real.broker import Broker, free_port
from tests.real.ingress import ADDRESS, Ingress
from tests.real.supervisor import TOKEN, Supervisor
from tests.real.until import auntil
from towline.api.server import ApiServer
from towline.app import Towline
from towline.config.settings import Secret
from towline.homeassistant import supervisor as client
from towline.homeassistant.hosting import Hosting, options_of
from towline.runtime.configuration import Options
from towline.store.query import Query

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
        ingress=ADDRESS,
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


async def test_what_a_person_does_through_ingress_is_put_on_record_with_the_name(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    app = hosting(tmp_path, supervisor)
    text = "version: 1\nsources: {}\nbackends: {loki: {type: loki, url: 'http://127.0.0.1:9'}}\n"
    (tmp_path / "app-config" / "towline.yaml").write_text(text)
    async with running(app) as towline, AsyncExitStack() as stack:
        server = towline.parts()["api"]
        assert isinstance(server, ApiServer)
        ingress = await stack.enter_async_context(Ingress(server.address[1]))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        url = f"{ingress.url}api/v1/backends/loki/pause"
        async with session.post(url, headers={"X-Remote-User-Name": "mallory"}) as answer:
            assert answer.status == 200, await answer.text()
        query = Query(source_type=("manager",), limit=10)
        found = [record.message for record in (await towline.store.query(query)).records]
        assert "backend loki paused, by Zoë (ingress)" in found


async def test_a_repository_of_the_options_is_followed_beyond_the_first_file(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    repository = Repository(tmp_path)
    text = "version: 1\nsources: {}\nbackends: {lake: {type: loki, url: 'http://127.0.0.1:9'}}\n"
    repository.commit({"devices/home.yaml": text})
    async with running(hosting(tmp_path, supervisor, git_url=repository.url)) as towline:
        await auntil(lambda: "backends.lake" in towline.status(), 60)
        await auntil(lambda: towline.status()["git"]["git"]["state"] == "in sync", 60)
