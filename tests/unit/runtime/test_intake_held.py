"""What steps hold back goes into the store in time, and before anybody thinks it is there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.runtime.trial_rig import DB, WEB, settings
from tests.unit.store.rig import opened
from towline.pipeline.pipeline import Pipeline
from towline.record import Line, Origin, OriginType
from towline.runtime.intake import Intake, SourcePart
from towline.store.log import Store
from towline.store.upkeep import Ledger

LIMIT = "{rate: 2/h, over: fold, match: {regex: chatty}}"
SETTINGS = settings(f"pipeline: {{limits: [{LIMIT}]}}").pipeline


def lines(*texts: str, first: int = 1) -> list[Line]:
    return [Line(text, f"t{seq}", seq, seq=seq) for seq, text in enumerate(texts, first)]


def stored(store: Store) -> list[str]:
    return [record.message for record in store.ring.slice(store.ring.first, 1000)]


def anyone(_: Origin) -> bool:
    return True


async def test_a_group_goes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towline.pipeline.multiline.QUIET", 0.01)
    async with opened(tmp_path) as rig, asyncio.timeout(60):
        intake = Intake(rig.store, Pipeline(SETTINGS), "pi")
        assert intake.emit(WEB, lines("panic: a", "\tb")) == rig.store.started
        assert intake.held(anyone) == 1
        await rig.store.appended()
        assert stored(rig.store) == ["panic: a\n\tb"]
        assert intake.held(anyone) == 0
        intake.emit(WEB, lines("panic: c"))  # and so does the next one
        await rig.store.appended()
        assert stored(rig.store)[1:] == ["panic: c"]


async def test_the_end_of_an_origin_another_pipeline_and_the_end_of_a_source(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as rig:
        intake = Intake(rig.store, Pipeline(SETTINGS), "pi")
        intake.emit(WEB, lines("panic: a"))
        intake.emit(DB, lines("panic: b", first=7))
        assert intake.held(lambda origin: origin is DB) == 7
        intake.emit(WEB, [])
        assert stored(rig.store) == ["panic: a"]
        intake.use(Pipeline(replace(SETTINGS, multiline="off")))
        assert stored(rig.store) == ["panic: a", "panic: b"]
        intake.emit(WEB, lines("panic: c"))
        assert stored(rig.store)[2:] == ["panic: c"]


class Ending:
    """A source that ends within a trace."""

    async def __aenter__(self) -> Ending:
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    async def run(self, emit: object) -> None:
        emit(WEB, lines("panic: a", "\tb"))  # type: ignore[operator]


async def test_a_source_leaves_nothing_held_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        intake = Intake(rig.store, Pipeline(SETTINGS), "pi")
        await SourcePart(Ending(), intake, Ledger(rig.store)).run()
        assert stored(rig.store) == ["panic: a\n\tb"]


async def test_what_was_limited_is_told_by_towline(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        pipeline = Pipeline(SETTINGS)
        intake = Intake(rig.store, pipeline, "pi")
        intake.emit(WEB, lines(*["chatty"] * 5))
        intake.release()
        found = rig.store.ring.slice(rig.store.ring.first, 1000)
        assert [(record.origin.type, record.message) for record in found[2:]] == [
            (OriginType.CONTAINER, "chatty"),
            (OriginType.SYSTEM, "web: 4 lines above its limit of 0.000555556/s were folded"),
        ]
        assert b'"repeated":3' in found[2].json
        assert [record.offset - rig.store.started for record in found] == [0, 1, 2, 3]
        assert pipeline.counters["limited"] == pipeline.counters["limits[0]"] == 3
