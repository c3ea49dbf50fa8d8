"""Logs that rotate, burst, are damaged or cut: nothing that Docker still has is missing."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.docker_watch import Watch
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil

ROTATED = {"max-size": "1m", "max-file": "3"}
COUNT = "i=0; while [ $i -lt {} ]; do i=$((i+1)); echo line $i; done"


@pytest.fixture(params=["api", "auto"])
def watch(request: pytest.FixtureRequest, engine: Engine) -> Watch:
    return Watch(engine.host, read=request.param)


def numbers(texts: list[str]) -> list[int]:
    """The numbers of lines, their order checked."""
    found = [int(text.removeprefix("line ")) for text in texts]
    assert found == sorted(set(found))
    return found


def kept(containers: Containers, name: str) -> list[int]:
    """What Docker has of a container at the end."""
    return numbers(containers.logs(name)[0].decode().splitlines())


def log_file(engine: Engine, id_: str) -> Path:
    return engine.containers_folder / id_ / f"{id_}-json.log"


async def test_of_a_burst_under_rotation_nothing_is_missing_that_docker_still_has(
    watch: Watch, containers: Containers
) -> None:
    containers.run(f"sleep 0.5; {COUNT.format(45_000)}", name="burst", log_options=ROTATED)
    async with watch.running():
        await watch.until_ended("burst", timeout=60)
    found = numbers(watch.texts("burst"))
    assert set(kept(containers, "burst")) <= set(found)
    holes = sum(1 for a, b in pairwise(found) if b != a + 1)
    assert len(watch.gaps("burst")) >= holes
    if len(found) == 45_000:
        assert watch.gaps("burst") == []


async def test_a_steady_log_that_rotates_is_read_without_a_gap(
    watch: Watch, containers: Containers
) -> None:
    options = {"max-size": "20k", "max-file": "2"}
    script = "i=0; while [ $i -lt 1500 ]; do i=$((i+1)); echo line $i; usleep 1000; done"
    containers.run(script, name="steady", log_options=options)
    async with watch.running():
        await watch.until_ended("steady", timeout=60)
    assert len(kept(containers, "steady")) < 1500
    assert numbers(watch.texts("steady")) == list(range(1, 1501))
    assert watch.gaps("steady") == []


async def test_what_rotated_away_while_nobody_read_is_said_once(
    watch: Watch, containers: Containers
) -> None:
    options = {"max-size": "20k", "max-file": "2"}
    script = f"[ -e /done ] && {{ {COUNT.format(5000)}; exit; }}; touch /done; {COUNT.format(50)}"
    containers.run(script, name="overrun", log_options=options)
    async with watch.running():
        await watch.until_ended("overrun")
    await asyncio.to_thread(containers.start, "overrun")
    await asyncio.to_thread(containers.wait, "overrun")
    async with watch.running():
        await watch.until("overrun", "line 5000")
    texts = watch.texts("overrun")
    assert numbers(texts[:50]) == list(range(1, 51))
    assert numbers(texts[50:]) == kept(containers, "overrun")
    assert len(watch.gaps("overrun")) == 1


async def test_lines_behind_damage_are_read_and_one_gap_is_said(
    watch: Watch, containers: Containers, engine: Engine
) -> None:
    id_ = containers.run(f"{COUNT.format(300)}; sleep 60", name="damaged")
    async with watch.running():
        await watch.until("damaged", "line 300")
        await asyncio.to_thread(containers.stop, "damaged")
        await watch.until_ended("damaged")
        with log_file(engine, id_).open("ab") as file:
            file.write(bytes(4096))
        await asyncio.to_thread(containers.start, "damaged")
        await auntil(lambda: watch.texts("damaged").count("line 300") == 2)
        say = ["exec", "damaged", "sh", "-c", "echo line 301 > /proc/1/fd/1"]
        await asyncio.to_thread(containers.cli, *say)
        await watch.until("damaged", "line 301")
    texts = watch.texts("damaged")
    assert numbers(texts[:300]) == list(range(1, 301))
    assert numbers(texts[300:])[-300:] == list(range(2, 302))
    assert len(watch.gaps("damaged")) == 1


async def test_damage_that_is_there_at_first_sight_hides_nothing_behind_it(
    watch: Watch, containers: Containers, engine: Engine
) -> None:
    id_ = containers.run(COUNT.format(500), name="torn")
    containers.wait("torn")
    file = log_file(engine, id_)
    rows = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*rows[:200], bytes(4096), b'{"log":"li\n', *rows[210:]]))
    async with watch.running():
        await watch.until("torn", "line 500")
        await watch.until_ended("torn")
    found = numbers(watch.texts("torn"))
    before = [number for number in found if number <= 200]
    assert before == list(range(1, len(before) + 1))
    # a newer engine drops what it had read and not sent yet when it runs into damage
    major = int(containers.cli("version", "--format", "{{.Server.Version}}").partition(".")[0])
    assert len(before) == 200 or (major >= 23 and watch.read == "api")
    assert found[-289:] == list(range(212, 501))
    assert len(watch.gaps("torn")) == 1


async def test_a_log_cut_from_outside_is_noticed_and_read_on(
    watch: Watch, containers: Containers, engine: Engine
) -> None:
    id_ = containers.run(f"{COUNT.format(20)}; sleep 60", name="cut")
    async with watch.running():
        await watch.until("cut", "line 20")
        os.truncate(log_file(engine, id_), 0)
        await asyncio.to_thread(containers.restart, "cut")
        await auntil(lambda: watch.texts("cut").count("line 20") == 2)
    assert numbers(watch.texts("cut")[20:]) == list(range(1, 21))
    assert len(watch.gaps("cut")) == 1


async def test_a_log_that_lost_its_own_end_is_not_read_all_over(
    watch: Watch, containers: Containers, engine: Engine
) -> None:
    id_ = containers.run(f"{COUNT.format(700)}; sleep 60", name="shorter")
    async with watch.running():
        await watch.until("shorter", "line 700")
    await asyncio.to_thread(containers.stop, "shorter")
    file = log_file(engine, id_)
    rows = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(rows[:600]))
    await asyncio.to_thread(containers.start, "shorter")
    async with watch.running():
        await auntil(lambda: watch.texts("shorter").count("line 700") == 2)
    assert numbers(watch.texts("shorter")[700:]) == list(range(1, 701))
    assert len(watch.gaps("shorter")) == 1
