from __future__ import annotations

import asyncio

import pytest

from tests.unit.runtime.rig import Diary, Part, Wanted
from towline.errors import StartError
from towline.runtime.diff import Spec
from towline.runtime.slot import HEALTHY, Slot


def part(diary: Diary, **wanted: object) -> Part:
    config = Wanted(**wanted)  # type: ignore[arg-type]
    return diary.build(Spec(key="a", config=config), lambda _: None)


async def test_crashed_component_is_reopened_with_growing_waits() -> None:
    diary, naps = Diary(), list[float]()

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    async with asyncio.TaskGroup() as tasks:
        slot = Slot("a", lambda: part(diary, crashes=4), sleep=nap)
        await slot.open(tasks)
        slot.go()
        while diary.lines.count("run a=1") < 5:
            await diary.has("run a=1")
            await asyncio.sleep(0)
        assert naps == [1.0, 2.0, 4.0, 8.0]
        assert slot.restarts == 4
        assert "fell over" in slot.fault
        await slot.stop()


async def test_a_healthy_minute_forgives_earlier_crashes() -> None:
    diary, naps, now = Diary(), list[float](), [0.0]

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    def clock() -> float:
        now[0] += HEALTHY + 1
        return now[0]

    async with asyncio.TaskGroup() as tasks:
        slot = Slot("a", lambda: part(diary, crashes=3), sleep=nap, clock=clock)
        await slot.open(tasks)
        slot.go()
        while diary.lines.count("run a=1") < 4:
            await asyncio.sleep(0)
        assert naps == [1.0, 1.0, 1.0]
        await slot.stop()


async def test_failing_to_open_at_first_is_the_callers_error() -> None:
    async with asyncio.TaskGroup() as tasks:
        slot = Slot("a", lambda: part(Diary(), fails=True))
        with pytest.raises(StartError, match="a: in use"):
            await slot.open(tasks)


async def test_a_component_does_not_run_before_go() -> None:
    diary = Diary()
    async with asyncio.TaskGroup() as tasks:
        slot = Slot("a", lambda: part(diary))
        await slot.open(tasks)
        await asyncio.sleep(0)
        assert diary.lines == ["open a=1"]
        await slot.stop(grace=1)
        assert diary.lines == ["open a=1", "close a=1"]


async def test_a_component_that_does_not_drain_in_time_is_cancelled() -> None:
    diary = Diary()

    class Deaf(Part):
        def drain(self) -> None:
            self.note("deaf")

    async with asyncio.TaskGroup() as tasks:
        slot = Slot("a", lambda: Deaf(Spec(key="a", config=Wanted()), diary, lambda _: None))
        await slot.open(tasks)
        slot.go()
        await diary.has("run a=1")
        await slot.stop(grace=0.01)
    assert diary.lines[-2:] == ["deaf a=1", "close a=1"]
