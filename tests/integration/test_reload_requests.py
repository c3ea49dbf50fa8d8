"""Reloads that somebody asks for: by signal, by API, several at once, at the end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.integration.reload_rig import APPLIED, BATCH, PATIENCE, counting
from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil


async def test_a_hang_up_signal_reloads(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        rig.saving.save(rig.text.but(topic="two"))
        os.kill(os.getpid(), signal.SIGHUP)
        assert (await rig.ended(1))["actor"] == "signal"
        await rig.flowing("two")
        rig.untouched(before)
        await rig.complete()
        assert rig.outcomes() == [APPLIED]


async def test_a_request_reloads_and_is_answered_with_the_outcome(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        rig.saving.save(rig.text.but(topic="two"))
        answer = await rig.asked("POST", "/config/reload")
        assert answer.json()["changed"] == ["backends.moved"]
        assert rig.entries()[-1]["actor"] == "api"
        rig.saving.save("nonsense")
        answer = await rig.asked("POST", "/config/reload")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "config_invalid")
        await rig.save(topic="two")
        await rig.flowing("two")
        rig.untouched(before)
        await rig.complete()


async def test_a_text_that_is_put_is_applied_once(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        etag = (await rig.asked("GET", "/config")).headers["etag"]
        text, headers = rig.text.but(topic="two"), {"If-Match": etag}
        answer = await rig.asked("PUT", "/config", content=text, headers=headers)
        assert answer.json()["changed"] == ["backends.moved"]
        assert rig.saving.file.read_text() == text
        again = await rig.asked("PUT", "/config", content=text, headers=headers)
        assert again.status_code == 412
        await rig.flowing("two", 1000)  # long enough for the watcher to have its say
        rig.untouched(before)
        await rig.complete()
        assert rig.outcomes() == [APPLIED]


async def test_requests_signals_and_edits_at_once_apply_a_change_once(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        rig.saving.save(rig.text.but(topic="two"))
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        answers = await asyncio.gather(*(rig.asked("POST", "/config/reload") for _ in range(5)))
        assert {answer.json()["outcome"] for answer in answers} == {APPLIED}
        await rig.flowing("two", 1000)
        rig.untouched(before)
        await rig.complete()
        assert rig.outcomes() == [APPLIED]


@pytest.mark.parametrize("moment", ["before", "during", "decided"])
async def test_a_reload_at_the_end_neither_hangs_nor_starts_anything(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path, moment: str
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        rig.saving.save(rig.text.but(topic="two", device="other"))
        if moment == "before":
            rig.towline.stop()
        asking = asyncio.create_task(rig.towline.reload_file("test"))
        if moment == "during":
            await asyncio.sleep(0)
        if moment == "decided":
            await rig.ended(1)
        rig.towline.stop()
        os.kill(os.getpid(), signal.SIGHUP)
        await auntil(rig.task.done, PATIENCE)
        await asyncio.wait_for(asking, PATIENCE)
        written = await rig.end_counting()
    got = list(dict.fromkeys(rig.arrived("one", "two")))
    assert got == written[: len(got)]
    assert len(rig.arrived("one", "two")) - len(got) <= BATCH
