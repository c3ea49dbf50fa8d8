"""An engine that stops, hangs, is not there yet, or is killed: the source waits and goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.docker_watch import Watch
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil
from towline.status import State

TICK = "i=0; while true; do i=$((i+1)); echo $i; usleep 20000; done"


@pytest.fixture
def engine_of_its_own(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "engine")
    with engine:
        engine.image()
        yield engine
        engine.thaw()


def counted(texts: list[str]) -> bool:
    return texts == [str(number) for number in range(1, len(texts) + 1)]


async def more(watch: Watch, lines: int) -> None:
    """Wait for so many more lines."""
    least = len(watch.texts("tick")) + lines
    await auntil(lambda: len(watch.texts("tick")) >= least)


async def test_an_engine_that_restarts_is_waited_for_and_read_on(
    engine_of_its_own: Engine,
) -> None:
    engine = engine_of_its_own
    containers = Containers(engine.host)
    watch = Watch(engine.host)
    containers.run("echo up; sleep 600", name="web", restart="always")
    containers.run("trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.1; done", name="job")
    async with watch.running():
        await watch.until("job", "up")
        await asyncio.to_thread(engine.stop)
        await auntil(lambda: watch.source.health.state == State.DEGRADED)
        assert str(engine.socket) in watch.source.health.reason
        await asyncio.to_thread(engine.start)
        await watch.until_up()
        await auntil(lambda: watch.texts("web").count("up") == 2)
        assert await watch.until_ended("job") == ["up", "bye"]
    assert watch.gaps("web") == watch.gaps("job") == []
    assert [line.seq for line in watch.lines("web")] == [1, 2]


async def test_a_killed_engine_that_restores_its_containers_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    with Engine(tmp_path / "engine", live_restore=True) as engine:
        engine.image()
        Containers(engine.host).run(TICK, name="tick")
        watch = Watch(engine.host)
        async with watch.running():
            for _ in range(2):
                await more(watch, 20)
                await asyncio.to_thread(engine.kill)
                await asyncio.to_thread(engine.start)
                await watch.until_up()
            await more(watch, 20)
        assert counted(watch.texts("tick"))
        assert watch.gaps("tick") == []


async def test_an_engine_that_hangs_is_told_and_read_on_when_it_answers(
    engine_of_its_own: Engine,
) -> None:
    engine = engine_of_its_own
    Containers(engine.host).run(TICK, name="tick")
    watch = Watch(engine.host)
    async with watch.running():
        await watch.until("tick", "10")
        engine.freeze()
        await auntil(lambda: watch.source.health.state == State.DEGRADED, 15)
        assert "does not answer" in watch.source.health.reason
        engine.thaw()
        await watch.until_up()
        await more(watch, 10)
    assert counted(watch.texts("tick"))


async def test_leaving_does_not_wait_for_an_engine_that_hangs(engine_of_its_own: Engine) -> None:
    engine = engine_of_its_own
    Containers(engine.host).run(TICK, name="tick")
    watch = Watch(engine.host)
    threads = threading.active_count()
    async with watch.running():
        await watch.until("tick", "10")
        engine.freeze()
    engine.thaw()
    await auntil(lambda: threading.active_count() <= threads)


async def test_an_engine_that_comes_later_is_found(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "engine")
    watch = Watch(engine.host)
    async with watch.running():
        await auntil(lambda: watch.source.health.state == State.DEGRADED)
        assert "No such file" in watch.source.health.reason
        try:
            await asyncio.to_thread(engine.start)
            await asyncio.to_thread(engine.image)
            await watch.until_up()
            await asyncio.to_thread(Containers(engine.host).run, "echo here", name="first")
            await watch.until("first", "here")
        finally:
            await asyncio.to_thread(engine.stop)


async def test_an_engine_with_another_identity_is_begun_anew(tmp_path: Path) -> None:
    socket = tmp_path / "docker.sock"
    watch = Watch(f"unix://{socket}")
    async with watch.running():
        for name in ("old", "new"):
            with Engine(tmp_path / name) as engine:
                engine.image()
                socket.unlink(missing_ok=True)
                socket.symlink_to(engine.socket)
                Containers(engine.host).run(f"echo {name}; sleep 60", name="same")
                await watch.until("same", name)
        await auntil(lambda: len(watch.source.containers()) == 1)
    assert watch.texts("same") == ["old", "new"]
    assert watch.gaps("same") == []
