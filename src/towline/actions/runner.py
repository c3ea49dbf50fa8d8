"""Runs actions: each by itself, with a time-out, tried again, so many at once, counted."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from towline.actions.occasion import Occasion
from towline.actions.ports import Action
from towline.config.patience import Patience
from towline.errors import Rejected, Retryable
from towline.own_log import TOLD
from towline.status import Health
from towline.trouble import Trouble

_log = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""Occasions for which one action is performed at the same time."""

FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Job:
    """One action of an owner, how patient it is, and how it went."""

    kind: str
    action: Action
    patience: Patience
    executed: int = 0
    failed: int = 0
    retried: int = 0
    last_error: str = ""
    failing: bool = False
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return {
            "action": self.kind,
            "executed": self.executed,
            "failed": self.failed,
            "retried": self.retried,
            "lastError": self.last_error or None,
        }


class Runner:
    """The actions of one owner. One that fails or hangs leaves the others alone.

    `health` is the owner's: degraded while an action fails. `gave_up` is told of each action that
    was given up, with the reason.
    """

    def __init__(
        self,
        owner: str,
        jobs: Sequence[Job],
        health: Health,
        *,
        gave_up: Callable[[str, str], None] = lambda _kind, _reason: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.jobs = tuple(jobs)
        self._health = health
        self._gave_up = gave_up
        self._sleep = sleep
        self._clock = clock
        self._chance = chance
        self._draining = asyncio.Event()
        self._troubles = {
            id(job): Trouble(
                _log,
                "an action fails",
                "an action works again",
                extra={"component": owner, "action": job.kind, **TOLD},
                clock=clock,
            )
            for job in self.jobs
        }

    def drain(self) -> None:
        """Try nothing again from now on: what is left stays undone."""
        self._draining.set()

    async def run(self, occasion: Occasion) -> bool:
        """Perform every action for an occasion; False when draining left something undone."""
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._one(job, occasion)) for job in self.jobs]
        return all(task.result() for task in running)

    async def _one(self, job: Job, occasion: Occasion) -> bool:
        began, attempt = self._clock(), 0
        while failure := await self._tried(job, occasion):
            if isinstance(failure, Rejected):
                self._given_up(job, str(failure))
                return True
            bound = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt, 9))
            pause = (failure.retry_after or 0.0) + self._chance() * bound
            if self._clock() - began + pause > job.patience.retry:
                self._given_up(job, str(failure))
                return True
            self._failed(job, str(failure))
            if not await self._rested(pause):
                return False
            attempt += 1
            job.retried += 1
            self._health.counters["retried"] += 1
        self._worked(job)
        return True

    async def _tried(self, job: Job, occasion: Occasion) -> Rejected | Retryable | None:
        """Why it did not work, if it did not."""
        try:
            async with job.room, asyncio.timeout(job.patience.timeout):
                await job.action.perform(occasion)
        except TimeoutError:
            return Retryable("no answer in time")
        except (Rejected, Retryable) as exc:
            return exc
        return None

    async def _rested(self, seconds: float) -> bool:
        """Wait; False when draining ended it early."""
        tasks = [
            asyncio.ensure_future(self._sleep(seconds)),
            asyncio.ensure_future(self._draining.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return not self._draining.is_set()

    def _worked(self, job: Job) -> None:
        job.executed += 1
        job.failing = False
        self._health.counters["executed"] += 1
        self._troubles[id(job)].over()
        if not any(each.failing for each in self.jobs):
            self._health.up()

    def _failed(self, job: Job, reason: str) -> None:
        job.last_error = reason
        job.failing = True
        self._health.degraded(f"{job.kind}: {reason}")
        self._troubles[id(job)].happened(reason)

    def _given_up(self, job: Job, reason: str) -> None:
        self._failed(job, reason)
        job.failed += 1
        self._health.counters["failed"] += 1
        self._gave_up(job.kind, reason)
