from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest

from tests.unit.runtime.rig import Diary, Part, Wanted
from towline.errors import RestoreError, StartError
from towline.runtime.diff import Spec
from towline.runtime.reconcile import Reconciler

PORT = frozenset({"port 9000"})


def spec(key: str, value: str = "1", **more: Any) -> Spec:
    fails = more.pop("fails", False)
    return Spec(key=key, config=Wanted(value, fails=fails), **more)


def of(*specs: Spec) -> dict[str, Spec]:
    return {item.key: item for item in specs}


@asynccontextmanager
async def rig() -> AsyncIterator[tuple[Reconciler, Diary]]:
    diary = Diary()
    async with asyncio.TaskGroup() as tasks:
        reconciler = Reconciler(tasks, diary.build)
        yield reconciler, diary
        await reconciler.apply({})


async def test_unchanged_component_is_not_touched() -> None:
    async with rig() as (reconciler, diary):
        await reconciler.apply(of(spec("a")))
        part = reconciler.component("a")
        await diary.has("run a=1")
        await reconciler.apply(of(spec("a"), spec("b")))
        assert reconciler.component("a") is part
        assert [line for line in diary.lines if " a=" in line] == ["open a=1", "run a=1"]


async def test_newcomer_opens_beside_its_predecessor_and_runs_only_after_it() -> None:
    async with rig() as (reconciler, diary):
        await reconciler.apply(of(spec("a")))
        await diary.has("run a=1")
        await reconciler.apply(of(spec("a", "2")))
        await diary.has("run a=2")
        assert diary.lines == [
            "open a=1",
            "run a=1",
            "open a=2",
            "drain a=1",
            "close a=1",
            "run a=2",
        ]


async def test_failed_newcomer_leaves_everything_as_it_was() -> None:
    async with rig() as (reconciler, diary):
        await reconciler.apply(of(spec("a")))
        await diary.has("run a=1")
        part, specs = reconciler.component("a"), reconciler.specs
        with pytest.raises(StartError, match="b: in use"):
            await reconciler.apply(of(spec("a", "2"), spec("b", fails=True, tier=1)))
        assert diary.lines == ["open a=1", "run a=1", "open a=2", "close a=2"]
        assert reconciler.component("a") is part
        assert reconciler.specs is specs


async def test_shared_claim_is_handed_over() -> None:
    async with rig() as (reconciler, diary):
        await reconciler.apply(of(spec("a", claims=PORT)))
        await diary.has("run a=1")
        await reconciler.apply(of(spec("a", "2", claims=PORT)))
        await diary.has("run a=2")
        assert diary.lines[2:] == ["drain a=1", "close a=1", "open a=2", "run a=2"]


async def test_a_claim_that_is_handed_over_stops_only_others_who_hold_it() -> None:
    async with rig() as (reconciler, diary):
        await reconciler.apply(of(spec("a", claims=PORT, hands_over=True)))
        await diary.has("run a=1")
        diary.taken.clear()
        await reconciler.apply(of(spec("a", "2", claims=PORT, hands_over=True)))
        await diary.has("run a=2")
        assert diary.lines[2:] == ["open a=2", "drain a=1", "close a=1", "run a=2"]
        diary.lines.clear()
        await reconciler.apply(of(spec("b", claims=PORT, hands_over=True)))
        await diary.has("run b=1")
        assert diary.lines == ["drain a=2", "close a=2", "open b=1", "run b=1"]


async def test_failed_handover_brings_the_predecessor_back() -> None:
    async with rig() as (reconciler, diary):
        await reconciler.apply(of(spec("a", claims=PORT)))
        await diary.has("run a=1")
        diary.lines.clear()
        with pytest.raises(StartError):
            await reconciler.apply(of(spec("a", "2", claims=PORT, fails=True)))
        await diary.has("run a=1")
        assert diary.lines == ["drain a=1", "close a=1", "open a=1", "run a=1"]


async def test_what_leans_on_a_predecessor_delivers_before_it_hands_over() -> None:
    async with rig() as (reconciler, diary):
        leaning = spec("b", tier=1, needs=frozenset({"a"}))
        await reconciler.apply(of(spec("a", claims=PORT), leaning))
        await diary.has("run b=1")
        diary.lines.clear()
        await reconciler.apply(of(spec("a", "2", claims=PORT), leaning))
        await diary.has("run b=1")
        assert diary.lines[:4] == ["drain b=1", "close b=1", "drain a=1", "close a=1"]
        assert sorted(diary.lines[4:]) == ["open a=2", "open b=1", "run a=2", "run b=1"]


async def test_what_leans_on_a_predecessor_that_came_back_leans_on_that_one() -> None:
    async with rig() as (reconciler, diary):
        leaning = spec("b", tier=1, needs=frozenset({"a"}))
        await reconciler.apply(of(spec("a", claims=PORT), leaning))
        late = spec("c", fails=True, tier=2)
        with pytest.raises(StartError):
            await reconciler.apply(of(spec("a", "2", claims=PORT), leaning, late))
        part = reconciler.component("b")
        assert part.found["a"] is reconciler.component("a")
        assert reconciler.component("a").wanted.value == "1"
        diary.lines.clear()
        await diary.has("run b=1")


async def test_parts_of_one_tier_drain_together() -> None:
    async with rig() as (reconciler, diary):
        await reconciler.apply(of(spec("a"), spec("b")))
        await diary.has("run b=1")
        await reconciler.apply({})
        assert {*diary.lines[4:6]} == {"drain a=1", "drain b=1"}


async def test_a_component_that_is_reopened_later_finds_what_runs_then() -> None:
    diary = Diary()
    found: list[Any] = []

    class Asking(Part):
        async def run(self) -> None:
            if self.spec.key != "b":
                await super().run()
                return
            found.append(self.lookup("a"))
            await self.drained.wait()
            found.append(self.lookup("a"))

    async with asyncio.TaskGroup() as tasks:
        reconciler = Reconciler(tasks, lambda wanted, lookup: Asking(wanted, diary, lookup))
        await reconciler.apply(of(spec("a"), spec("b", tier=1)))
        first = reconciler.component("a")
        asking = reconciler.component("b")
        await reconciler.apply(of(spec("a", "2"), spec("b", tier=1)))
        asking.drain()
        while len(found) < 2:
            await asyncio.sleep(0)
        assert found == [first, reconciler.component("a")]
        await reconciler.apply({})


async def test_failed_return_of_the_predecessor_is_said_aloud() -> None:
    diary = Diary()
    async with asyncio.TaskGroup() as tasks:
        opened = 0

        def build(wanted: Spec, lookup: Any) -> Part:
            nonlocal opened
            opened += 1
            if opened > 1:
                raise OSError("gone")
            return diary.build(wanted, lookup)

        reconciler = Reconciler(tasks, build)
        await reconciler.apply(of(spec("a", claims=PORT)))
        with pytest.raises(RestoreError):
            await reconciler.apply(of(spec("a", "2", claims=PORT)))


async def test_component_finds_the_newcomer_that_it_needs() -> None:
    async with rig() as (reconciler, _):
        leaning = spec("b", tier=1, needs=frozenset({"a"}))
        await reconciler.apply(of(spec("a"), leaning))
        await reconciler.apply(of(spec("a", "2"), leaning))
        assert reconciler.component("b").found["a"] is reconciler.component("a")
        assert reconciler.component("a").wanted.value == "2"


async def test_sources_stop_before_what_they_feed() -> None:
    diary = Diary()
    async with asyncio.TaskGroup() as tasks:
        reconciler = Reconciler(tasks, diary.build)
        await reconciler.apply(of(spec("broker"), spec("backend", tier=1), spec("source", tier=2)))
        await diary.has("run source=1")
        await reconciler.apply({})
    closed = [line for line in diary.lines if line.startswith("close")]
    assert closed == ["close source=1", "close backend=1", "close broker=1"]


async def test_cancelled_apply_leaves_everything_as_it_was() -> None:
    diary = Diary()
    reached = asyncio.Event()

    class Slow(Part):
        async def __aenter__(self) -> Self:
            if self.spec.key == "slow":
                reached.set()
                await asyncio.Event().wait()
            return await super().__aenter__()

    async with asyncio.TaskGroup() as tasks:
        reconciler = Reconciler(tasks, lambda wanted, lookup: Slow(wanted, diary, lookup))
        await reconciler.apply(of(spec("a")))
        await diary.has("run a=1")
        diary.lines.clear()
        trying = asyncio.create_task(reconciler.apply(of(spec("a", "2"), spec("slow", tier=1))))
        await reached.wait()
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
        assert diary.lines == ["open a=2", "close a=2"]
        await reconciler.apply({})
