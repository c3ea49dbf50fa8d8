"""Attempts to change the configuration: one after another, each to its end whoever asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from towline.config.settings import Settings
from towline.errors import ConfigError, Problem, StartError
from towline.runtime.configuration import Configuration
from towline.runtime.diff import Plan, Specs
from towline.runtime.probation import healthy, relapse
from towline.runtime.reconcile import Reconciler
from towline.runtime.reload import Applied, Outcome, Refused, RolledBack

_STOPPING: Final = Refused((Problem(code="stopping", text="Towline stops"),))
_RESTART: Final = Problem(
    code="restart_required",
    text="store.path and store.persist change at a restart only",
    path=("store",),
)
_GIT: Final = Problem(code="restart_required", text="git changes at a restart only", path=("git",))


class Owner(Protocol):
    """Whose configuration it is: the program."""

    def specs(self, settings: Settings) -> Specs:
        """What should run."""

    def status(self) -> Mapping[str, Mapping[str, Any]]:
        """Every component by its key."""

    def in_force(self, settings: Settings) -> None:
        """From now on these settings hold."""

    def tell(self, outcome: Outcome, actor: str) -> None:
        """Say how an attempt ended."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: `decided` once it is in force or not, `ended` once nothing is left to do.

    Between the two, predecessors hand over, and a change on probation may be taken back.
    """

    decided: asyncio.Future[Outcome]
    ended: asyncio.Future[Outcome]


@dataclass(frozen=True, slots=True)
class _Trial:
    """What to go back to when the change on probation fails: settings, and who was well then."""

    former: Settings
    before: frozenset[str]
    text: bytes | None


class Reloader:
    """Brings the file into force, or leaves everything as it was.

    An attempt is a task of its own: whoever asked may be gone before it ends, such as a request
    to an API that the attempt itself replaces. `settings` are those in force, or on their way.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        configuration: Configuration,
        reconciler: Reconciler,
        owner: Owner,
        settings: Settings,
    ) -> None:
        self.settings = settings
        self._tasks = tasks
        self._configuration = configuration
        self._reconciler = reconciler
        self._owner = owner
        self._turn = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._waiting: dict[str, Attempt] = {}
        self._stopping = False
        self._trial: _Trial | None = None

    async def begin(self) -> Plan:
        """Start from nothing; `StartError` when something cannot be opened."""
        async with self._turn:
            return await self._reconciler.apply(self._owner.specs(self.settings))

    async def stop(self) -> None:
        """Stop everything, after the attempt under way; those that wait are refused."""
        self._stopping = True
        self._hurry.set()
        async with self._turn:
            await self._reconciler.apply({})

    def attempt(self, actor: str) -> Attempt:
        """Read the file again and bring it into force; no attempt begins before the last ended.

        Whoever asks while an attempt of his waits has that one: it will see what he sees.
        """
        if actor in self._waiting:
            return self._waiting[actor]
        decided: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if self._stopping:  # nobody may be there any more to hold a task
            decided.set_result(_STOPPING)
            return Attempt(decided, decided)
        ended = self._tasks.create_task(self._take_turn(actor, decided), name=f"reload by {actor}")
        self._waiting[actor] = Attempt(decided, ended)
        self._hurry.set()
        return self._waiting[actor]

    async def _take_turn(self, actor: str, decided: asyncio.Future[Outcome]) -> Outcome:
        try:
            async with self._turn:
                del self._waiting[actor]
                if self._stopping:
                    _settle(decided, _STOPPING)
                    return _STOPPING
                if not self._waiting:
                    self._hurry.clear()
                outcome = await self._change(actor, decided)
                _settle(decided, outcome)
                await asyncio.to_thread(self._configuration.save_history)
                return await self._prove(actor) or outcome
        finally:
            decided.cancel()  # no effect once it is settled

    async def _change(self, actor: str, decided: asyncio.Future[Outcome]) -> Outcome:
        try:
            text, settings = await asyncio.to_thread(self._configuration.load)
            if settings.store != self.settings.store:
                raise ConfigError([_RESTART])  # noqa: TRY301 - refused like any other fault
            if settings.git != self.settings.git:
                raise ConfigError([_GIT])  # noqa: TRY301 - the same
        except ConfigError as exc:
            return self._told(Refused(exc.problems), actor)
        before = healthy(self._owner.status())
        former, self.settings = self.settings, settings

        def swapped(plan: Plan) -> None:
            self._owner.in_force(settings)
            _settle(decided, self._told(_applied(plan, settings), actor))

        try:
            plan = await self._reconciler.apply(self._owner.specs(settings), swapped=swapped)
        except BaseException as exc:
            self.settings = former
            if isinstance(exc, StartError):
                return self._told(RolledBack(exc.key, str(exc.__cause__)), actor)
            raise
        await self._await_proof(plan, _Trial(former, before, text))
        return _applied(plan, settings)

    async def _await_proof(self, plan: Plan, trial: _Trial) -> None:
        """Put a change on probation where that is wanted; one that is not is good as it is."""
        if not self.settings.probation or not (plan or self._trial):
            self._trial = None
            await asyncio.to_thread(self._configuration.keep, trial.text)
        elif self._trial is None:
            self._trial = trial
        else:  # the change before this one was not proven either: both are taken back together
            self._trial = _Trial(self._trial.former, self._trial.before, trial.text)

    async def _prove(self, actor: str) -> RolledBack | None:
        """Wait out the probation; the next attempt cuts it short and goes on with it."""
        if self._trial is None:
            return None
        trial = self._trial
        found = await relapse(
            trial.before, self._owner.status, self.settings.probation, sleep=self._rest
        )
        if self._hurry.is_set():
            return None
        self._trial = None
        if found is None:
            await asyncio.to_thread(self._configuration.keep, trial.text)
            return None
        self.settings = trial.former
        await self._reconciler.apply(self._owner.specs(trial.former))
        self._owner.in_force(trial.former)
        outcome = RolledBack(found.key, found.reason)
        self._told(outcome, actor)
        await asyncio.to_thread(self._configuration.save_history)
        return outcome

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # wait_for of 3.11 may swallow a cancellation
                await self._hurry.wait()

    def _told(self, outcome: Outcome, actor: str) -> Outcome:
        self._owner.tell(outcome, actor)
        return outcome


def _applied(plan: Plan, settings: Settings) -> Applied:
    return Applied(plan, settings.probation if plan else 0.0, settings.warnings)


def _settle(decided: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not decided.done():
        decided.set_result(outcome)
