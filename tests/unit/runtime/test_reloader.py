from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtime.rig import Diary, Part, Wanted
from towline.config.environment import Overrides
from towline.config.settings import Settings
from towline.runtime.configuration import Configuration, Options
from towline.runtime.diff import Spec, Specs
from towline.runtime.reconcile import Lookup, Reconciler
from towline.runtime.reload import Applied, Outcome, Refused, RolledBack
from towline.runtime.reloader import Reloader

WATCHED = "version: 1\nsources: {}\ndevice: {id: %s}\napply: {watch: 1h}\n"
PLAIN = "version: 1\nsources: {}\ndevice: {id: %s}\n"


class World:
    """An owner whose one component is what the file says of the device's id."""

    def __init__(self, file: Path, tasks: asyncio.TaskGroup) -> None:
        self.file = file
        self.diary = Diary()
        self.states: dict[str, dict[str, Any]] = {"backends.a": {"state": "up", "reason": None}}
        self.told: list[tuple[Outcome, str]] = []
        self.holding: set[str] = set()
        options = Options(file=file, environment={}, overrides=Overrides())
        self.configuration = Configuration(options, {}, {})
        self.configuration.at_home(file.parent)
        _, settings = self.configuration.load()
        self.reconciler = Reconciler(tasks, self._build)
        self.reloader = Reloader(tasks, self.configuration, self.reconciler, self, settings)

    def _build(self, spec: Spec, lookup: Lookup) -> Part:
        return Holding(spec, self.diary, lookup, self.holding)

    def specs(self, settings: Settings) -> Specs:
        name = settings.device.id
        return {"a": Spec(key="a", config=Wanted(name, fails=name == "fails"))}

    def status(self) -> Mapping[str, Mapping[str, Any]]:
        return self.states

    def in_force(self, settings: Settings) -> None:
        pass

    def tell(self, outcome: Outcome, actor: str) -> None:
        self.told.append((outcome, actor))

    @property
    def runs(self) -> str:
        value: str = self.reconciler.component("a").wanted.value
        return value

    def says(self, name: str, form: str = PLAIN) -> None:
        self.file.write_text(form % name)

    async def reload(self, actor: str = "test") -> Outcome:
        return await asyncio.wait_for(asyncio.shield(self.reloader.attempt(actor).ended), 10)

    @property
    def last_good(self) -> str:
        return (self.file.parent / "last-good.yaml").read_text()


class Holding(Part):
    """A part that will not let go while its value is in `holding`."""

    def __init__(self, spec: Spec, diary: Diary, lookup: Lookup, holding: set[str]) -> None:
        super().__init__(spec, diary, lookup)
        self.holding = holding

    async def run(self) -> None:
        await super().run()
        while self.wanted.value in self.holding:
            await asyncio.sleep(0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    file = tmp_path / "towline.yaml"
    file.write_text(PLAIN % "one")
    async with asyncio.TaskGroup() as tasks:
        world = World(file, tasks)
        await world.reloader.begin()
        await world.diary.has("run a=one")
        yield world
        world.holding.clear()
        await world.reloader.stop()


async def test_a_change_is_decided_before_the_predecessor_has_let_go(world: World) -> None:
    world.holding.add("one")
    world.says("two")
    attempt = world.reloader.attempt("test")
    assert isinstance(await asyncio.wait_for(attempt.decided, 10), Applied)
    assert world.runs == "two"
    assert not attempt.ended.done()
    assert "run a=two" not in world.diary.lines
    world.holding.clear()
    await asyncio.wait_for(attempt.ended, 10)
    await world.diary.has("run a=two")


async def test_an_attempt_goes_on_when_whoever_asked_is_gone(world: World) -> None:
    world.holding.add("one")
    world.says("two")
    asking = asyncio.create_task(world.reload())
    await world.diary.has("drain a=one")
    asking.cancel()
    world.holding.clear()
    await world.diary.has("run a=two")


async def test_attempts_at_the_same_time_come_one_after_the_other(world: World) -> None:
    world.says("two")
    attempts = [world.reloader.attempt(str(number)) for number in range(5)]
    ended = [await asyncio.wait_for(attempt.ended, 10) for attempt in attempts]
    assert [bool(outcome.plan) for outcome in ended if isinstance(outcome, Applied)] == [
        True,
        *[False] * 4,
    ]
    assert [line for line in world.diary.lines if line.startswith("open")] == [
        "open a=one",
        "open a=two",
    ]


async def test_a_storm_of_requests_is_one_attempt_and_one_that_waits(world: World) -> None:
    world.holding.add("one")
    world.says("two")
    attempts = [world.reloader.attempt("storm")]
    await world.diary.has("drain a=one")
    world.says("three")
    attempts += [world.reloader.attempt("storm") for _ in range(100)]
    assert len({attempt.ended for attempt in attempts}) == 2
    world.holding.clear()
    await asyncio.wait_for(attempts[-1].ended, 10)
    assert world.runs == "three"


async def test_what_waits_when_all_stops_is_refused_and_starts_nothing(world: World) -> None:
    world.holding.add("one")
    world.says("two")
    first = world.reloader.attempt("first")
    await world.diary.has("drain a=one")
    late = world.reloader.attempt("late")
    stopping = asyncio.create_task(world.reloader.stop())
    await asyncio.sleep(0)
    later = world.reloader.attempt("later")
    world.holding.clear()
    assert isinstance(await asyncio.wait_for(first.ended, 10), Applied)
    for attempt in (late, later):
        assert isinstance(await asyncio.wait_for(attempt.decided, 10), Refused)
    await asyncio.wait_for(stopping, 10)
    assert isinstance(world.reloader.attempt("after the end").ended.result(), Refused)
    assert not world.reconciler.slots
    assert [actor for _, actor in world.told] == ["first"]


async def test_a_failed_start_leaves_settings_and_file_known(world: World) -> None:
    world.says("fails")
    assert isinstance(await world.reload(), RolledBack)
    assert world.reloader.settings.device.id == world.runs == "one"


async def test_a_change_on_probation_is_taken_back_when_a_healthy_part_fails(world: World) -> None:
    world.says("two", WATCHED.replace("1h", "1ms"))
    attempt = world.reloader.attempt("test")
    await asyncio.wait_for(attempt.decided, 10)
    world.states["backends.a"] = {"state": "degraded", "reason": "refused"}
    assert await asyncio.wait_for(attempt.ended, 10) == RolledBack("backends.a", "refused")
    assert world.runs == "one"
    assert world.reloader.settings.device.id == "one"
    assert not (world.file.parent / "last-good.yaml").exists()


async def test_the_next_change_cuts_a_probation_short_and_is_judged_by_the_last_proven_state(
    world: World,
) -> None:
    world.says("two", WATCHED)
    first = world.reloader.attempt("first")
    await asyncio.wait_for(first.decided, 10)
    world.states["backends.a"] = {"state": "degraded", "reason": "refused"}
    world.says("three", WATCHED.replace("1h", "1ms"))
    second = world.reloader.attempt("second")
    assert isinstance(await asyncio.wait_for(first.ended, 10), Applied)
    assert await asyncio.wait_for(second.ended, 10) == RolledBack("backends.a", "refused")
    assert world.runs == "one"
    kinds = [(type(outcome).__name__, actor) for outcome, actor in world.told]
    assert kinds == [("Applied", "first"), ("Applied", "second"), ("RolledBack", "second")]


async def test_a_refused_text_does_not_end_the_probation_of_the_one_before(world: World) -> None:
    world.says("two", WATCHED.replace("1h", "100ms"))
    first = world.reloader.attempt("first")
    await asyncio.wait_for(first.decided, 10)
    world.states["backends.a"] = {"state": "degraded", "reason": "refused"}
    world.file.write_text("nonsense")
    second = world.reloader.attempt("second")
    assert isinstance(await asyncio.wait_for(second.decided, 10), Refused)
    await asyncio.wait_for(second.ended, 10)
    assert world.runs == "one"


async def test_a_change_that_passed_its_probation_is_the_last_good_one(world: World) -> None:
    world.says("two", WATCHED.replace("1h", "1ms"))
    outcome = await world.reload()
    assert isinstance(outcome, Applied)
    assert outcome.as_json()["probation"] == 0.001
    assert "two" in world.last_good
    world.says("three", WATCHED.replace("1h", "1ms"))
    attempt = world.reloader.attempt("test")
    await asyncio.wait_for(attempt.decided, 10)
    world.states["backends.a"] = {"state": "degraded", "reason": "refused"}
    assert isinstance(await asyncio.wait_for(attempt.ended, 10), RolledBack)
    assert world.runs == "two"
    assert "two" in world.last_good


async def test_a_change_without_probation_is_the_last_good_one_at_once(world: World) -> None:
    world.says("two", WATCHED)
    attempt = world.reloader.attempt("test")
    await asyncio.wait_for(attempt.decided, 10)
    world.says("three")
    assert isinstance(await world.reload(), Applied)
    await asyncio.wait_for(attempt.ended, 10)
    assert "three" in world.last_good


async def test_the_end_does_not_wait_for_a_probation(world: World) -> None:
    world.says("two", WATCHED)
    attempt = world.reloader.attempt("test")
    await asyncio.wait_for(attempt.decided, 10)
    await asyncio.wait_for(world.reloader.stop(), 10)
    assert isinstance(await attempt.ended, Applied)
