"""What people read of a repository that is followed, after its state and a colon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from towline.errors import Problem
from towline.gitops.repository import Commit
from towline.gitops.states import Sync

_MOST_FILES: Final = 3


class Known(Protocol):
    """What a sentence is made of: see `Status`."""

    state: Sync
    error: str
    running: Commit | None
    wanted: Commit | None
    problems: tuple[Problem, ...]
    rewritten_from: str
    edited: tuple[str, ...]
    edits_kept: str


def sentence(known: Known) -> str:
    """How it stands, and what runs."""
    match known.state:
        case Sync.STARTING:
            return f"not asked yet; {_runs(known.running)}"
        case Sync.IN_SYNC:
            return _runs(known.running)
        case Sync.BEHIND if not known.error:
            return f"{_named(known.wanted)} is being applied"
        case Sync.INVALID:
            what = f"{_named(known.wanted)} is not applied"
            return f"{what}: {_first(known.problems)}; {_runs(known.running)}"
        case Sync.BEHIND | Sync.UNREACHABLE | Sync.BRANCH_GONE:
            return f"{known.error}; {_runs(known.running)}"
        case Sync.REWRITTEN:
            gone = f"a force-push took commit {known.rewritten_from[:10]} out of the branch"
            return f"{gone}; {_runs(known.running)}"
        case Sync.EDITED_LOCALLY:
            kept = f", the edits are in {known.edits_kept}" if known.edits_kept else ""
            put_back = f"{_listed(known.edited)} edited by hand and put back{kept}"
            return f"{put_back}; {_runs(known.running)}"


def _runs(commit: Commit | None) -> str:
    return f"{_named(commit)} runs" if commit else "no commit runs yet"


def _named(commit: Commit | None) -> str:
    if commit is None:
        return "the newest commit"
    about = f" ({commit.subject}, {commit.author})" if commit.committed_at else ""
    return f"commit {commit.id[:10]}{about}"


def _first(problems: Sequence[Problem]) -> str:
    first = problems[0]
    place = f"{first.file}:{first.line}:{first.column}: " if first.file else ""
    more = f", and {len(problems) - 1} more" if problems[1:] else ""
    return f"{place}{first.text}{more}"


def _listed(files: Sequence[str]) -> str:
    more = f" and {len(files) - _MOST_FILES} more" if len(files) > _MOST_FILES else ""
    return f"{', '.join(files[:_MOST_FILES])}{more} {'were' if files[1:] else 'was'}"
