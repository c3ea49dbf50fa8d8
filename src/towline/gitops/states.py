"""Where the running commit stands against the branch."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Sync(StrEnum):
    """The state of following a repository."""

    STARTING = "starting"
    IN_SYNC = "in sync"
    BEHIND = "behind"
    INVALID = "invalid"
    UNREACHABLE = "unreachable"
    REWRITTEN = "rewritten"
    BRANCH_GONE = "branch gone"
    EDITED_LOCALLY = "edited locally"


WELL: Final = frozenset({Sync.IN_SYNC, Sync.REWRITTEN, Sync.EDITED_LOCALLY})
"""States in which the tip of the branch is what runs."""
