"""Following a repository with a running Towline: what its commits are checked with and bring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from towline.config.git import GitSettings
from towline.config.settings import Settings
from towline.errors import Problem
from towline.gitops.status import WELL, Sync
from towline.gitops.sync import GitSync
from towline.runtime.configuration import Configuration
from towline.runtime.reload import Applied, Outcome, Refused

Tell = Callable[[str, str], None]
"""Put a text with its level on record."""

_FINE: Final = frozenset({*WELL, Sync.BEHIND, Sync.STARTING})


def following(
    git: GitSettings,
    own: Settings,
    configuration: Configuration,
    *,
    reload: Callable[[str], Awaitable[Outcome]],
    tell: Tell,
    environment: Mapping[str, str],
) -> GitSync:
    """The part that follows a repository; `own` is what the file with `git:` says."""
    depth = git.file(own.device.id).count("/")

    def verify(file: Path) -> Sequence[Problem]:
        return configuration.verify(file, file.parents[depth])

    async def apply() -> Sequence[Problem]:
        return _problems(await reload("git"))

    return GitSync(
        git,
        own.device.id,
        own.store.path.absolute(),
        verify=verify,
        apply=apply,
        changed=lambda status: tell(*_said(status)),
        environment=environment,
    )


def _problems(outcome: Outcome) -> Sequence[Problem]:
    if isinstance(outcome, Applied):
        return ()
    if isinstance(outcome, Refused):
        return outcome.problems
    return (Problem(code="rolled_back", text=str(outcome)),)


def _said(status: Mapping[str, Any]) -> tuple[str, str]:
    """What people read of a status, and how severe it is."""
    state = Sync(status["state"])
    running = f"{status['commit'][:10]} {status['subject']}" if status["commit"] else "none yet"
    problem = status["problems"][0]["message"] if status["problems"] else ""
    reason = problem or (status["lastError"] if state not in _FINE else "")
    why = f": {reason}" if reason else ""
    return f"repository {state}{why}; commit: {running}", "info" if state in _FINE else "warn"
