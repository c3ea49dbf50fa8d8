"""Following a repository with a running Towline: what its commits are checked with and bring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from towline.config.git import GitSettings
from towline.config.settings import Settings
from towline.errors import Problem
from towline.gitops.states import WELL, Sync
from towline.gitops.sync import GitSync
from towline.runtime.configuration import Configuration, Followed
from towline.runtime.reload import Applied, Outcome, Refused
from towline.runtime.reloader import Attempt

PATIENCE: Final = 30.0
"""Seconds that somebody who asks for a sync waits for a remote that does not answer."""

_LEVELS: Final = {
    Sync.IN_SYNC: "info",
    Sync.INVALID: "error",
    Sync.BEHIND: "error",
}


class Following:
    """The repository that is followed; `own` is what the file with `git:` says.

    `attempt` is the reloader's, `tell` puts a text with its level on record.
    """

    def __init__(
        self,
        git: GitSettings,
        own: Settings,
        configuration: Configuration,
        *,
        attempt: Callable[[str], Attempt],
        tell: Callable[[str, str], None],
        environment: Mapping[str, str],
    ) -> None:
        self._own = own
        self._configuration = configuration
        self._depth = git.file(own.device.id).count("/")
        self._attempt = attempt
        self._tell = tell
        self._runs_well: str | None = None
        self._brought: asyncio.Future[Outcome] | None = None
        self._sync = GitSync(
            git,
            own.device.id,
            own.store.path.absolute(),
            verify=self._verify,
            apply=self._apply,
            changed=self._changed,
            environment=environment,
            home=configuration.folder,
        )

    async def __aenter__(self) -> Self:
        await self._sync.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._sync.__aexit__(*exc)

    @property
    def followed(self) -> Followed:
        """The file that counts once it is there."""
        return Followed(self._sync.file, self._sync.root, self._own)

    async def run(self) -> None:
        """Sync until cancelled."""
        await self._sync.run()

    def wake(self) -> None:
        """Sync at once."""
        self._sync.wake()

    async def now(self) -> Outcome | None:
        """Sync at once; what came of it as soon as that is decided. None: nothing to apply.

        A request that replaces the API it came through must be answered before that API ends:
        so the end of the round is not waited for.
        """
        if self._brought is None or self._brought.done():
            self._brought = asyncio.get_running_loop().create_future()
        brought = self._brought
        over = asyncio.create_task(self._sync.wake().wait())
        first: set[asyncio.Future[Any]] = {brought, over}
        try:
            await asyncio.wait(first, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        if brought.done():
            return brought.result()
        problems = self._sync.problems
        return Refused(problems) if problems else None

    def status(self) -> dict[str, Any]:
        """Its health, and what is known of the repository."""
        return self._sync.health.as_json() | {"git": self._sync.status()}

    def _verify(self, file: Path) -> Sequence[Problem]:
        return self._configuration.verify(file, file.parents[self._depth])

    async def _apply(self) -> Sequence[Problem]:
        attempt = self._attempt("git")
        outcome = await asyncio.shield(attempt.decided)
        if self._brought and not self._brought.done():
            self._brought.set_result(outcome)
        return _problems(await asyncio.shield(attempt.ended))

    def _changed(self, status: Mapping[str, Any]) -> None:
        """Put on record what a person needs: a change of what runs, or why there is none."""
        state = Sync(status["state"])
        if state is Sync.BEHIND and not status["reason"]:
            return  # a commit on its way: what becomes of it is told
        runs_well = status["running"] if state in WELL else None
        if state is not Sync.IN_SYNC or runs_well != self._runs_well:
            self._tell(f"repository {state}: {status['says']}", _LEVELS.get(state, "warn"))
        self._runs_well = runs_well


def _problems(outcome: Outcome) -> Sequence[Problem]:
    if isinstance(outcome, Applied):
        return ()
    if isinstance(outcome, Refused):
        return outcome.problems
    return (Problem(code="rolled_back", text=str(outcome)),)
