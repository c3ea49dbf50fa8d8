"""Docker's json files read directly: the same lines, by another way."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.integration.docker_watch import Watch
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil

STEADY = "i=0; while true; do i=$((i+1)); echo line $i; usleep 1000; done"
BURST = "sleep 0.5; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo line $i; done"


def numbers(watch: Watch, name: str) -> list[int]:
    return [int(text.removeprefix("line ")) for text in watch.texts(name)]


def read_on(watch: Watch, count: int) -> bool:
    return len(watch.texts("ways")) > count


async def test_the_way_may_change_at_any_time_and_nothing_is_lost_or_repeated(
    engine: Engine, containers: Containers
) -> None:
    containers.run(STEADY, name="ways", log_options={"max-size": "50k", "max-file": "5"})
    watch = Watch(engine.host)
    ways = []
    for way in ("api", "auto", "api", "files", "auto"):
        watch.read = way
        watch.new_source()
        count = len(watch.texts("ways"))
        async with watch.running():
            await auntil(partial(read_on, watch, count + 200))
            ways.append(watch.shown("ways")["log"]["read"])
            watch.save()
    assert ways == ["api", "files", "api", "files", "files"]
    assert watch.gaps("ways") == []
    found = numbers(watch, "ways")
    assert found == list(range(1, len(found) + 1))
    assert [line.seq for line in watch.lines("ways")] == found


@pytest.mark.parametrize("pack", ["false", "true"])
async def test_of_a_burst_under_rotation_every_line_is_read(
    engine: Engine, containers: Containers, pack: str
) -> None:
    options = {"max-size": "3m", "max-file": "3", "compress": pack}
    containers.run(BURST, name="burst", log_options=options)
    watch = Watch(engine.host, read="files")
    async with watch.running():
        await watch.until_ended("burst", timeout=90)
    assert watch.gaps("burst") == []
    assert numbers(watch, "burst") == list(range(1, 100_001))


async def test_a_log_of_one_file_begins_anew_without_a_word(
    engine: Engine, containers: Containers
) -> None:
    script = "i=0; while [ $i -lt 1500 ]; do i=$((i+1)); echo line $i; usleep 1000; done"
    containers.run(script, name="one", log_options={"max-size": "20k"})
    watch = Watch(engine.host, read="files")
    async with watch.running():
        await watch.until_ended("one", timeout=60)
    assert numbers(watch, "one") == list(range(1, 1501))
    assert watch.gaps("one") == []


async def test_where_the_files_vanish_the_api_goes_on(
    engine: Engine, containers: Containers, tmp_path: Path
) -> None:
    link = tmp_path / "containers"
    link.symlink_to(engine.containers_folder)
    containers.run("echo begin; echo end; sleep 60", name="vanish")
    watch = Watch(engine.host, read="auto", files=str(link))
    async with watch.running():
        await watch.until("vanish", "end")
        assert watch.shown("vanish")["log"]["read"] == "files"
        link.unlink()
        await auntil(lambda: watch.shown("vanish")["log"]["read"] == "api")
        await asyncio.to_thread(containers.restart, "vanish")
        await auntil(lambda: watch.texts("vanish").count("end") == 2)
        log = watch.shown("vanish")["log"]
        assert "o such file" in log["notByFiles"]
    assert watch.texts("vanish") == ["begin", "end"] * 2
    assert watch.gaps("vanish") == []


async def test_where_only_files_are_wanted_it_is_said_that_there_are_none(
    engine: Engine, containers: Containers, tmp_path: Path
) -> None:
    id_ = containers.run("echo here; sleep 60", name="strict")
    watch = Watch(engine.host, read="files", files=str(tmp_path))
    async with watch.running():
        await auntil(lambda: watch.shown("strict").get("log", {}).get("fault"))
        assert "No such file or directory" in watch.shown("strict")["log"]["fault"]
        shutil.copytree(engine.containers_folder / id_, tmp_path / id_, symlinks=True)
        await watch.until("strict", "here")
        await auntil(lambda: not watch.shown("strict")["log"]["fault"])
