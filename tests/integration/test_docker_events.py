"""Docker's own words of real containers, as records."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.integration.docker_watch import Watch
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.image import IMAGE
from tests.real.until import auntil
from towline.record import OriginType


@pytest.fixture
def watch(engine: Engine) -> Watch:
    return Watch(engine.host)


def told(watch: Watch, name: str) -> list[dict[str, Any]]:
    """The fields of all that was told of a container."""
    return [json.loads(line.fields) for origin, line in watch.events if origin.container == name]


def words(watch: Watch, name: str) -> list[str]:
    return [fields["event"] for fields in told(watch, name)]


async def test_the_life_of_a_container_is_told_once_and_under_its_own_name(
    watch: Watch, containers: Containers
) -> None:
    labels = {"com.docker.compose.service": "api", "com.docker.compose.project": "shop"}
    async with watch.running():
        await watch.until_up()
        script = "trap 'exit 3' TERM; echo up; while true; do sleep 0.05; done"
        await asyncio.to_thread(containers.run, script, name="told", labels=labels)
        await watch.until("told", "up")
        await asyncio.to_thread(containers.cli, "pause", "told")
        await asyncio.to_thread(containers.cli, "unpause", "told")
        await asyncio.to_thread(containers.stop, "told")
        await asyncio.to_thread(containers.remove, "told")
        await auntil(lambda: "destroy" in words(watch, "told"))
    expected = ["create", "start", "pause", "unpause", "kill", "die", "destroy"]
    assert words(watch, "told") == expected
    assert [fields["exitCode"] for fields in told(watch, "told") if "exitCode" in fields] == [3]
    for origin, line in watch.events:
        assert (origin.type, origin.service, origin.project) == (OriginType.SYSTEM, "api", "shop")
        assert line.seq == 0
    assert [line.seq for line in watch.lines("told")] == [1]


async def test_of_an_excluded_container_nothing_is_told(
    watch: Watch, containers: Containers
) -> None:
    async with watch.running():
        await watch.until_up()
        labels = {"towline.enable": "false"}
        await asyncio.to_thread(containers.run, "true", name="silent", labels=labels)
        await asyncio.to_thread(containers.run, "true", name="heard")
        await auntil(lambda: "die" in words(watch, "heard"))
    assert words(watch, "silent") == []


async def test_memory_that_ran_out_is_told_with_the_end(
    watch: Watch, containers: Containers
) -> None:
    async with watch.running():
        await watch.until_up()
        limits = ["--memory=16m", "--memory-swap=16m", "--network=none", "--name=hog"]
        grow = "sleep 1; exec tail /dev/zero"
        hog = ["run", "--detach", *limits, IMAGE, "sh", "-c", grow]
        await asyncio.to_thread(containers.cli, *hog)
        try:
            await auntil(lambda: "die" in words(watch, "hog"), 60)
            assert watch.shown("hog")["oom"]
        finally:
            await asyncio.to_thread(containers.remove, "hog")
    (end,) = [fields for fields in told(watch, "hog") if fields["event"] == "die"]
    assert (end["exitCode"], end["oom"]) == (137, True)


async def test_what_no_event_told_is_told_late_from_the_engines_list(
    watch: Watch, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("towline.sources.docker.source.CENSUS", 0.2)
    containers.run("echo up; sleep 60", name="meanwhile")
    async with watch.running():
        await watch.until("meanwhile", "up")
        watch.source._chronicle.is_new = lambda event: False  # type: ignore[method-assign]
        await asyncio.to_thread(containers.cli, "kill", "meanwhile")
        await auntil(lambda: "die" in words(watch, "meanwhile"))
        await asyncio.to_thread(containers.remove, "meanwhile")
        await auntil(lambda: "destroy" in words(watch, "meanwhile"))
    found = told(watch, "meanwhile")
    assert [fields["event"] for fields in found] == ["die", "destroy"]
    assert all(fields["late"] for fields in found)
    assert found[0]["exitCode"] == 137


async def test_what_a_container_uses_is_known_soon_after_somebody_asked(
    watch: Watch, containers: Containers
) -> None:
    containers.run("while true; do :; done", name="busy")
    async with watch.running():
        await auntil(lambda: watch.shown("busy").get("cpu"), 30)
        shown = watch.shown("busy")
    assert shown["cpu"] > 0
    assert 0 < shown["memory"] < shown["memoryLimit"]
