"""A real Swarm with replicas: its tasks read as containers, and through the manager's services."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.docker_watch import Watch
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.image import IMAGE
from tests.real.until import auntil, until
from towline.config.kinds import Surroundings
from towline.config.settings import Device, Match
from towline.record import Line, Origin
from towline.sources.swarm import reading
from towline.sources.swarm.source import SwarmConfig, SwarmSource
from towline.status import State
from towline.store.checkpoints import Checkpoints

TICK = "i=0; while true; do i=$((i+1)); echo $i; usleep 50000; done"


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """A Swarm of one node, with a service of two replicas."""
    with Engine(tmp_path_factory.mktemp("swarm")) as engine:
        engine.image()
        docker = Containers(engine.host)
        docker.cli("swarm", "init", "--advertise-addr=127.0.0.1", "--listen-addr=127.0.0.1:0")
        create(docker, "web", TICK, "--replicas=2")
        yield docker
        docker.cli("service", "rm", "web")


def create(docker: Containers, name: str, script: str, *options: str) -> None:
    command = ("service", "create", "--detach", "--no-resolve-image", f"--name={name}", *options)
    docker.cli(*command, IMAGE, "sh", "-c", script)


def tasks(docker: Containers, service: str) -> list[str]:
    """Containers of a service that run."""
    label = f"label=com.docker.swarm.service.name={service}"
    return sorted(docker.cli("ps", "--format={{.Names}}", "--filter", label).split())


class Manager:
    """A source that reads services through a manager, and what it handed over by origin."""

    def __init__(self, host: str, *, local: bool = True) -> None:
        config = SwarmConfig(url=host, local=local, include=(Match(name=("*",)),), exclude=())
        around = Surroundings(
            device=Device(id="pi", name="Pi"),
            lookup=lambda key: None,
            checkpoints=Checkpoints(None),
            max_age=1,
        )
        self.source = SwarmSource("fleet", config, around)
        self.lines: dict[str, list[Line]] = defaultdict(list)
        self.origins: dict[str, Origin] = {}

    def emit(self, origin: Origin, lines: list[Line]) -> int:
        self.lines[origin.name] += lines
        self.origins[origin.name] = origin
        return 0

    def texts(self, name: str) -> list[str]:
        return [line.text for line in self.lines[name]]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.source:
            task = asyncio.create_task(self.source.run(self.emit))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])
        assert asyncio.all_tasks() == {asyncio.current_task()}


def running(manager: Manager) -> list[dict[str, Any]]:
    """Tasks that run and are read, as the API shows them."""
    rows = manager.source.containers()
    return [row for row in rows if row["running"] and row["attached"]]


def counts_on(texts: list[str]) -> bool:
    first = int(texts[0])
    return texts == [str(number) for number in range(first, first + len(texts))]


async def test_tasks_on_this_node_are_containers_named_by_service_and_slot(
    swarm: Containers,
) -> None:
    watch = Watch(swarm.host)
    async with watch.running():
        await auntil(lambda: len(watch.origins) >= 3, 60)
        names = await asyncio.to_thread(tasks, swarm, "web")
        await auntil(lambda: all(watch.lines(name) for name in names), 60)
        found = {watch.origins[name].name: watch.origins[name] for name in names}
        assert set(found) == {"web.1", "web.2"}
        assert found["web.1"].service == "web"
        await asyncio.to_thread(swarm.cli, "kill", names[0])
        await auntil(lambda: len({name for name in watch.origins if "web.1" in name}) == 2, 60)
        again = next(n for n in watch.origins if "web.1." in n and n != names[0])
        await auntil(lambda: len(watch.lines(again)) > 5, 60)
    assert watch.origins[again].key == watch.origins[names[0]].key  # its history goes on
    for name in (*names, again):
        assert counts_on(watch.texts(name))
        assert watch.gaps(name) == []


async def test_services_are_read_through_the_manager_once_and_marked(
    swarm: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "RETRY", 0.1)
    manager = Manager(swarm.host)
    async with manager.running():
        await auntil(lambda: all(len(manager.lines[f"web.{n}"]) > 20 for n in (1, 2)), 60)
        assert manager.source.health.state == State.UP
        await auntil(lambda: len(running(manager)) == 2, 60)
        assert sorted(row["origin"] for row in running(manager)) == ["web.1", "web.2"]
        create(swarm, "brief", "echo one; echo two >&2; sleep 600")
        try:
            await auntil(lambda: len(manager.lines["brief.1"]) == 2, 60)
        finally:
            swarm.cli("service", "rm", "brief")
    origin = manager.origins["web.1"]
    assert (origin.service, origin.container_id is not None) == ("web", True)
    assert {line.text: line.stderr for line in manager.lines["brief.1"]} == {
        "one": False,
        "two": True,
    }
    for name in ("web.1", "web.2"):
        assert counts_on(manager.texts(name))
        assert {line.extra for line in manager.lines[name]} == {reading.INCOMPLETE}


async def test_a_stream_that_falls_silent_is_opened_again_and_nothing_comes_twice(
    swarm: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SILENCE", 0.3)
    create(swarm, "slow", "i=0; while true; do i=$((i+1)); echo $i; sleep 1; done")
    manager = Manager(swarm.host)
    try:
        async with manager.running():
            await auntil(lambda: len(manager.lines["slow.1"]) > 5, 90)
            assert manager.source.health.counters["reopened"] > 3
    finally:
        swarm.cli("service", "rm", "slow")
    assert counts_on(manager.texts("slow.1"))


async def test_tasks_on_the_managers_own_node_are_left_to_its_containers(
    swarm: Containers,
) -> None:
    manager = Manager(swarm.host, local=False)
    async with manager.running():
        await auntil(lambda: manager.source.health.state == State.UP, 30)
        assert manager.source.containers() == []
    assert not manager.lines


async def test_what_is_no_manager_is_told(tmp_path: Path) -> None:
    with Engine(tmp_path / "alone") as engine:
        manager = Manager(engine.host)
        async with manager.running():
            health = manager.source.health
            await auntil(lambda: health.state == State.DEGRADED, 30)
            assert "in no Swarm: services are told by a manager only" in health.reason


async def test_a_manager_that_comes_back_is_read_on(tmp_path: Path) -> None:
    with Engine(tmp_path / "away") as engine:
        engine.image()
        docker = Containers(engine.host)
        docker.cli("swarm", "init", "--advertise-addr=127.0.0.1", "--listen-addr=127.0.0.1:0")
        create(docker, "web", TICK)
        until(lambda: tasks(docker, "web"), 60)
        manager = Manager(engine.host)
        async with manager.running():
            await auntil(lambda: len(manager.lines["web.1"]) > 5, 60)
            await asyncio.to_thread(engine.stop)
            await auntil(lambda: manager.source.health.state == State.DEGRADED, 60)
            await asyncio.to_thread(engine.start)
            least = len(manager.lines["web.1"]) + 20
            await auntil(lambda: len(manager.lines["web.1"]) > least, 90)
            assert manager.source.health.state == State.UP
