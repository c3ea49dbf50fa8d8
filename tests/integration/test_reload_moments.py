"""The file at its worst moments: half-written, gone, something else, edited without end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.reload_rig import (
    APPLIED,
    BATCH,
    PATIENCE,
    REFUSED,
    Rig,
    counting,
    has_begun,
)
from tests.real.broker import Broker, free_port
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil
from towline.app import Towline
from towline.config.environment import Overrides
from towline.config.watch import DEBOUNCE
from towline.runtime.configuration import Options

HELD = 1.6 * DEBOUNCE
"""Seconds for which a file stays in a state that must not be taken: long enough to be taken."""


async def test_no_part_of_a_text_is_applied_while_it_is_being_written(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        text = rig.text.but(topic="two", more="# the end\n" * 5)
        with rig.saving.file.open("w") as half:
            for part in cuts(text):
                half.write(text[half.tell() : part])
                half.flush()
                await asyncio.sleep(HELD)
            assert rig.outcomes() == []
            half.write(text[half.tell() :])
        assert (await rig.ended(1))["changed"] == ["backends.moved"]
        await rig.flowing("two")
        rig.untouched(before)
        await rig.complete()
        assert rig.outcomes() == [APPLIED]


async def test_no_beginning_of_the_present_text_is_applied_though_nobody_holds_the_file(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path, more="# the end\n" * 5) as rig:
        before = rig.snapshot()
        text = str(rig.text)
        for part in cuts(text):
            rig.saving.save(text[:part])
            await asyncio.sleep(HELD)
        assert rig.outcomes() == []
        await rig.save(topic="two")
        await rig.flowing("two")
        rig.untouched(before)
        await rig.complete()
        assert rig.outcomes() == [APPLIED]


def cuts(text: str) -> list[int]:
    """Where to cut a text: in the middle of a line, and after lines, where most of it is valid."""
    ends = [at + 1 for at, letter in enumerate(text) if letter == "\n"]
    return sorted({len(text) // 3, *(ends[len(ends) * eighth // 8] for eighth in (5, 6, 7))})


Mischief = Callable[[Path], Callable[[], object]]


def _gone(file: Path) -> Callable[[], object]:
    file.unlink()
    return lambda: None


def _folder(file: Path) -> Callable[[], object]:
    file.unlink()
    file.mkdir()
    return file.rmdir


def _unreadable(file: Path) -> Callable[[], object]:
    file.unlink()
    file.symlink_to(file.name)  # a link to itself: neither root can read that
    return file.unlink


@pytest.mark.parametrize("mischief", [_gone, _folder, _unreadable])
async def test_a_file_that_cannot_be_read_for_a_moment_changes_nothing(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path, mischief: Mischief
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        mend = mischief(rig.saving.file)
        await asyncio.sleep(HELD)
        assert rig.outcomes() == []
        mend()
        await rig.save(topic="two")
        await rig.flowing("two")
        rig.untouched(before)
        await rig.complete()
        assert rig.outcomes() == [APPLIED]


async def test_a_file_that_stays_away_is_said_once_and_all_runs_on(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        rig.saving.file.unlink()
        ended = await rig.ended(1)
        assert [problem["code"] for problem in ended["problems"]] == ["missing_file"]
        assert state(rig) == "degraded"
        await rig.save()
        await auntil(lambda: state(rig) == "up", PATIENCE)
        rig.untouched(before, but=())
        await rig.complete("one")
        assert rig.outcomes() == [REFUSED, APPLIED]
        assert rig.towline.parts()["backends.moved"] is before.parts["backends.moved"]


async def test_a_broken_file_is_refused_and_mended_it_is_applied(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        rig.saving.save(rig.text.but(topic="two").replace("topic:", "topik:"))
        ended = await rig.ended(1)
        assert {problem["code"] for problem in ended["problems"]} >= {"unknown_key"}
        assert state(rig) == "degraded"
        await rig.flowing("kept")
        rig.untouched(before)
        await rig.save(topic="two")
        await rig.flowing("two")
        assert state(rig) == "up"
        rig.untouched(before)
        await rig.complete()
        assert rig.outcomes() == [REFUSED, APPLIED]


async def test_a_start_with_a_broken_file_goes_on_once_that_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "towline.yaml"
    file.write_text("version: 1\nsorces: {}\n")
    overrides = Overrides(data=str(tmp_path / "data"), listen=f"127.0.0.1:{free_port()}")
    towline = Towline(Options(file=file, environment={}, overrides=overrides))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(towline.run())
        await auntil(lambda: has_begun(towline), PATIENCE)
        assert "sorces" in towline.status()["configuration"]["reason"]
        file.write_text("version: 1\nsources: {demo: {type: demo}}\n")
        await auntil(lambda: "sources.demo" in towline.parts(), PATIENCE)
        assert towline.status()["configuration"]["state"] == "up"
        towline.stop()


async def test_two_hundred_edits_are_taken_in_few_steps_and_the_last_one_stands(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        topics = [f"edit-{number}" for number in range(200)]
        for topic in topics:
            await rig.save(topic=topic)
            await asyncio.sleep(0.01)
        await rig.flowing(topics[-1])
        rig.untouched(before)
        applied = rig.outcomes()
        assert set(applied) == {APPLIED}
        assert len(applied) <= 20
        await rig.complete("one", *topics, repeats=len(applied) * BATCH)


def state(rig: Rig) -> str:
    """Whether what runs is what the file says."""
    found: str = rig.towline.status()["configuration"]["state"]
    return found
