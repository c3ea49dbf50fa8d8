"""Changes that somebody asks for and waits for: reload, edit, plan."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from towline.config.kinds import Kinds
from towline.errors import ConfigError
from towline.runtime.configuration import Configuration
from towline.runtime.planning import planned
from towline.runtime.reconcile import Reconciler
from towline.runtime.reload import Outcome, Refused
from towline.runtime.reloader import Reloader

if TYPE_CHECKING:
    from towline.runtime.following import Following


class Changing:
    """Answers are JSON as the API serves it; a text at fault is `ConfigError`."""

    def __init__(
        self,
        configuration: Configuration,
        reloader: Reloader,
        following: Following | None,
        reconciler: Reconciler,
    ) -> None:
        self._configuration = configuration
        self._reconciler = reconciler
        self._reloader = reloader
        self._following = following
        self._editing = asyncio.Lock()

    async def reload(self, actor: str) -> dict[str, Any]:
        """Read the file again; a repository is asked first."""
        if self._following is None:
            return await self._attempt(actor)
        outcome = await self._following.now()
        found = _answer(outcome) if outcome else await self._attempt(actor)
        return found | {"git": self._following.status()["git"]}

    async def edit(self, text: bytes, etag: str, actor: str) -> dict[str, Any]:
        """Put another text in the file and bring it into force."""
        async with self._editing:
            await asyncio.to_thread(self._configuration.replace, text, etag)
            return await self._attempt(actor)

    async def plan(
        self, text: bytes, called: str, sources: Kinds, backends: Kinds
    ) -> dict[str, Any]:
        """What a text would start, change and stop in the file's place."""
        wanted = await asyncio.to_thread(self._configuration.tried, text, called)
        running, present = self._reconciler.specs, self._reloader.settings
        return planned(running, present, wanted, sources, backends).as_json()

    async def _attempt(self, actor: str) -> dict[str, Any]:
        # not to the end of it: an API that is replaced ends once those who ask have their answer
        return _answer(await asyncio.shield(self._reloader.attempt(actor).decided))


def _answer(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Refused):
        raise ConfigError(outcome.problems)
    return outcome.as_json()
