from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.unit.delivery.rig import Time, settle
from towline.actions.occasion import Occasion
from towline.actions.runner import AT_ONCE, Job, Runner
from towline.config.patience import Patience
from towline.errors import Rejected, Retryable
from towline.status import Health, State

OCCASION = Occasion(about="alerts.x", name="x", device="pi", words={}, json=b"{}")


class Deed:
    """An action that does as told."""

    def __init__(self, trouble: Callable[[int], Exception | None] = lambda _: None) -> None:
        self.tries = 0
        self.busy = 0
        self.most_at_once = 0
        self.trouble = trouble
        self.gate: asyncio.Event | None = None

    async def perform(self, occasion: Occasion) -> None:
        self.tries += 1
        self.busy += 1
        self.most_at_once = max(self.most_at_once, self.busy)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if (error := self.trouble(self.tries)) is not None:
                raise error
        finally:
            self.busy -= 1


class Rig:
    def __init__(self, *deeds: Deed, timeout: float = 10.0, retry: float = 100.0) -> None:
        self.time = Time()
        self.health = Health()
        self.health.up()
        self.given_up: list[tuple[str, str]] = []
        patience = Patience(timeout=timeout, retry=retry)
        self.jobs = [
            Job(kind=f"deed{number}", action=deed, patience=patience)
            for number, deed in enumerate(deeds)
        ]
        self.runner = Runner(
            "alerts.x",
            self.jobs,
            self.health,
            gave_up=lambda *said: self.given_up.append(said),
            sleep=self.time.sleep,
            clock=self.time,
            chance=lambda: 1.0,
        )

    async def begin(self) -> asyncio.Task[bool]:
        task = asyncio.create_task(self.runner.run(OCCASION))
        await settle()
        return task


async def test_every_action_is_performed_and_counted() -> None:
    rig = Rig(Deed(), Deed())
    assert await (await rig.begin())
    assert [job.executed for job in rig.jobs] == [1, 1]
    assert rig.health.counters["executed"] == 2
    assert rig.health.state == State.UP


async def test_what_fails_for_now_is_tried_again_after_longer_and_longer_pauses() -> None:
    deed = Deed(lambda tries: Retryable("away") if tries <= 3 else None)
    rig = Rig(deed)
    task = await rig.begin()
    assert rig.health.as_json()["state"] == "degraded"
    assert rig.health.reason == "deed0: away"
    for pause in (1, 2, 4):
        await rig.time.pass_(pause)
    assert await task
    assert rig.time.slept == [1, 2, 4]
    assert (rig.jobs[0].executed, rig.jobs[0].retried, rig.jobs[0].failed) == (1, 3, 0)
    assert rig.health.state == State.UP


async def test_a_server_that_names_a_time_is_not_asked_before() -> None:
    rig = Rig(Deed(lambda tries: Retryable("busy", retry_after=50) if tries == 1 else None))
    task = await rig.begin()
    await rig.time.pass_(50)
    assert not task.done()
    await rig.time.pass_(1)
    assert await task


async def test_it_is_given_up_when_its_time_is_over() -> None:
    rig = Rig(Deed(lambda _: Retryable("away")), retry=5)
    task = await rig.begin()
    await rig.time.pass_(1)
    await rig.time.pass_(2)
    assert await task
    assert rig.given_up == [("deed0", "away")]
    assert rig.jobs[0].failed == rig.health.counters["failed"] == 1
    assert rig.health.last_error == "deed0: away"


async def test_without_retry_there_is_one_try() -> None:
    rig = Rig(Deed(lambda _: Retryable("away")), retry=0)
    assert await (await rig.begin())
    assert rig.jobs[0].failed == 1


async def test_what_will_never_work_is_not_tried_again() -> None:
    rig = Rig(Deed(lambda _: Rejected("HTTP 404")))
    assert await (await rig.begin())
    assert rig.given_up == [("deed0", "HTTP 404")]
    assert rig.jobs[0].last_error == "HTTP 404"


async def test_a_hanging_action_ends_by_its_time_out() -> None:
    deed = Deed()
    deed.gate = asyncio.Event()
    rig = Rig(deed, timeout=0.001, retry=0)
    assert await asyncio.create_task(rig.runner.run(OCCASION))
    assert rig.given_up == [("deed0", "no answer in time")]
    assert deed.busy == 0


async def test_one_that_fails_or_hangs_leaves_the_others_alone() -> None:
    hanging = Deed()
    hanging.gate = asyncio.Event()
    failing, good = Deed(lambda _: Retryable("away")), Deed()
    rig = Rig(hanging, failing, good)
    task = await rig.begin()
    assert not task.done()
    assert rig.jobs[2].executed == 1
    assert rig.health.state == State.DEGRADED
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_few_are_performed_at_once_and_none_is_left_out() -> None:
    deed = Deed()
    deed.gate = asyncio.Event()
    rig = Rig(deed)
    tasks = [await rig.begin() for _ in range(20)]
    assert deed.busy == AT_ONCE
    deed.gate.set()
    assert all(await asyncio.gather(*tasks))
    assert rig.jobs[0].executed == 20
    assert deed.most_at_once == AT_ONCE


async def test_one_that_waits_for_its_next_try_takes_no_room() -> None:
    rig = Rig(Deed(lambda tries: Retryable("away") if tries <= AT_ONCE else None))
    waiting = [await rig.begin() for _ in range(AT_ONCE)]
    assert await (await rig.begin())
    await rig.time.pass_(1)
    assert all(await asyncio.gather(*waiting))


async def test_draining_begins_no_more_tries_and_says_so() -> None:
    deed = Deed(lambda _: Retryable("away"))
    rig = Rig(deed)
    task = await rig.begin()
    rig.runner.drain()
    assert await task is False
    assert deed.tries == 1
    assert rig.jobs[0].failed == 0
    assert await rig.runner.run(OCCASION) is False
    assert rig.given_up == []


@pytest.mark.parametrize("drained", [False, True])
async def test_what_works_is_done_though_draining(drained: bool) -> None:
    rig = Rig(Deed())
    if drained:
        rig.runner.drain()
    assert await rig.runner.run(OCCASION)
