"""How following a repository goes, as it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from towline.config.git import GitSettings, masked
from towline.config.problems import as_json
from towline.errors import Problem
from towline.gitops.repository import Commit
from towline.gitops.states import Sync
from towline.gitops.words import sentence


class Status:
    """What is known of the repository. `since` and `last_sync` are seconds since the epoch.

    `rewritten` and `edited` are said as a state until the next sync, and stay as fields until
    another commit is in force.
    """

    def __init__(
        self, settings: GitSettings, file: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._file = file
        self._clock = clock
        self.state = Sync.STARTING
        self.since = clock()
        self.running: Commit | None = None
        self.wanted: Commit | None = None
        self.last_sync: float | None = None
        self.error = ""
        self.last_error = ""
        self.problems: tuple[Problem, ...] = ()
        self.rewritten_from = ""
        self.edited: tuple[str, ...] = ()
        self.edits_kept = ""

    def become(self, state: Sync, error: str = "", problems: Sequence[Problem] = ()) -> bool:
        """Take a state; whether it differs from the one before."""
        changed = (state, error) != (self.state, self.error)
        self.error = error
        if state != self.state:
            self.since = self._clock()
        self.state = state
        self.problems = tuple(problems)
        self.last_error = error or self.last_error
        return changed

    def __str__(self) -> str:
        return f"{self.state}: {sentence(self)}"

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        none = dict.fromkeys(("commit", "author", "subject", "committedAt"))
        wanted = self.wanted
        known = wanted if wanted and wanted.committed_at else None
        return {
            "state": str(self.state),
            "since": round(self.since * 1000),
            "says": sentence(self),
            "reason": self.error or None,
            **(self.running.as_json() if self.running else none),
            "running": self.running.id if self.running else None,
            "wanted": wanted.id if wanted else None,
            "wantedAuthor": known.author if known else None,
            "wantedSubject": known.subject if known else None,
            "lastSync": None if self.last_sync is None else round(self.last_sync * 1000),
            "lastError": self.last_error or None,
            "problems": as_json(self.problems),
            "rewrittenFrom": self.rewritten_from or None,
            "edited": list(self.edited),
            "editsKept": self.edits_kept or None,
            "url": masked(self._settings.url),
            "branch": self._settings.branch,
            "file": self._file,
        }
