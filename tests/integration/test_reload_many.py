"""Many reloads leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from pathlib import Path

from tests.integration.reload_rig import (
    APPLIED,
    BATCH,
    PATIENCE,
    REFUSED,
    ROLLED_BACK,
    Rig,
    counting,
)
from tests.real.broker import Broker, free_port
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil

ROUNDS = 10
WAVERING = 3
"""How many tasks and descriptors there are differs from moment to moment by no more."""

_CLASSES = ("Slot", "Delivery", "Connection", "Link", "ApiServer", "PipelinePart", "DockerSource")


async def test_many_reloads_of_every_outcome_leave_nothing_behind(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path, rate=200) as rig:
        await all_outcomes(rig)
        await rig.flowing("kept")
        owned, before = possessions(), rig.snapshot()
        for _ in range(ROUNDS):
            await all_outcomes(rig)
        rig.untouched(before, but=("pipeline", "brokers.other"))
        del before  # it holds components that have been replaced
        await auntil(lambda: not grown(owned, possessions()), PATIENCE, "nothing more than before")
        await rig.complete("one", "two", repeats=4 * ROUNDS * BATCH)


async def all_outcomes(rig: Rig) -> None:
    """A backend, a refusal, the pipeline, a roll-back, a broker that is away, all as it was."""
    text = rig.text
    for wanted, outcome in (
        (text.but(topic="two"), APPLIED),
        ("version: [", REFUSED),
        (text.but(more="pipeline: {parse: [json]}\n"), APPLIED),
        (text.but(topic="two", device="other", port=rig.taken), ROLLED_BACK),
        (text.but(other=f"mqtt://127.0.0.1:{free_port()}"), APPLIED),
        (str(text), APPLIED),
    ):
        rig.saving.save(wanted)
        assert (await rig.towline.reload_file("test")).as_json()["outcome"] == outcome


def possessions() -> Counter[str]:
    """What this process holds: components by class, tasks, threads, descriptors."""
    gc.collect()
    names = [type(thing).__name__ for thing in gc.get_objects() if is_ours(thing)]
    found = Counter(name for name in names if name in _CLASSES)
    found["tasks"] = len(asyncio.all_tasks())
    found["threads"] = len(os.listdir("/proc/self/task"))
    found["descriptors"] = len(os.listdir("/proc/self/fd"))
    return found


def is_ours(thing: object) -> bool:
    """Whether a thing is of Towline's making."""
    return str(type(thing).__module__).startswith("towline.")


def grown(before: Counter[str], now: Counter[str]) -> dict[str, int]:
    """What there is more of than there was."""
    room = {name: 0 if name in _CLASSES else WAVERING for name in now}
    return {name: now[name] for name in now if now[name] > before[name] + room[name]}
