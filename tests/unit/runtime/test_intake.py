"""What the one door into the store counts and says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from towline.config.load import load
from towline.config.settings import Store as StoreSettings
from towline.pipeline.pipeline import Pipeline
from towline.record import Line, Origin, OriginType
from towline.runtime.intake import Intake
from towline.store.log import Store
from towline.store.query import Query

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", container_id="c" * 12)
TIME = "2026-11-21T12:00:00.000000000Z"


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    async with Store(StoreSettings(path=tmp_path, persist=False)) as store:
        yield Intake(store, pipeline(), "pi")


def pipeline() -> Pipeline:
    return Pipeline(load('{"version": 1, "sources": {}}', {}, {}, host_name="pi").pipeline)


async def records(intake: Intake) -> list[dict[str, Any]]:
    found = await intake.store.query(Query(newest_first=False))
    return [json.loads(record.json) for record in found.records]


async def test_lines_lost_before_towline_are_counted_over_restarts(intake: Intake) -> None:
    gap = ',"gap":{"reason":"rotated","lost":5,"exact":false}'
    lost = Line("lines lost", TIME, 0, seq=4, level="warn", extra=gap, system=True)
    told = Line('she said ,"gap":{', TIME, 0, seq=5, extra=',"partial":true')
    intake.emit(WEB, [told, lost])
    intake.emit(WEB, [told])
    assert intake.store.account.totals == {"gaps": 1, "lost": 5}


async def test_what_a_backend_missed_is_a_record_with_its_number(intake: Intake) -> None:
    intake.tell_missed("loki", 42)
    intake.tell_missed("loki", 1)
    found = await records(intake)
    assert [row["message"] for row in found] == [
        "42 records removed before the backend loki had them",
        "1 record removed before the backend loki had them",
    ]
    gap = {"reason": "removed before the backend loki had them", "lost": 42, "exact": True}
    assert found[0]["gap"] == gap | {"backend": "loki"}
    assert (found[0]["level"], found[0]["source"]["type"]) == ("warn", "system")
    assert intake.store.account.totals == {"missed": 43}
