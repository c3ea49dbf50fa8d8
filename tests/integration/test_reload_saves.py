"""However a file is saved, the change is applied once and touches nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.reload_rig import APPLIED, counting
from tests.integration.reload_saves import SAVINGS
from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine


@pytest.mark.parametrize("way", SAVINGS)
async def test_what_is_saved_is_applied_once_and_touches_nothing_else(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path, way: str
) -> None:
    if "mounted" in way and os.geteuid() != 0:
        pytest.skip("mounting is root's")
    async with counting(engine, broker, containers, tmp_path, saving=SAVINGS[way]()) as rig:
        before = rig.snapshot()
        await rig.save(topic="two")
        ended = await rig.ended(1)
        assert (ended["outcome"], ended["actor"]) == (APPLIED, "file")
        assert ended["changed"] == ["backends.moved"]
        await rig.flowing("two")
        rig.untouched(before)
        await rig.complete()
        assert rig.outcomes() == [APPLIED]
