"""What people read of each state."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.gitops.test_gitops_parts import settings
from towline.errors import Problem
from towline.gitops.repository import Commit
from towline.gitops.states import Sync
from towline.gitops.status import Status

ONE = Commit(id="1" * 40, author="Ada", subject="Keep a week", committed_at=1)
TWO = Commit(id="2" * 40, author="Ben", subject="Keep a year", committed_at=2)
UNKNOWN = Commit(id="3" * 40, author="", subject="", committed_at=0)
FAULT = Problem(code="unknown_key", text="unknown key 'stroe'", file="devices/pi.yaml", line=3)
RUNS = "commit 1111111111 (Keep a week, Ada) runs"


def status(state: Sync, error: str = "", problems: tuple[Problem, ...] = (), **more: Any) -> Status:
    found = Status(settings("file:///f"), "a.yaml")
    found.running = ONE
    for name, value in more.items():
        setattr(found, name, value)
    found.become(state, error, problems)
    return found


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (status(Sync.STARTING, running=None), "starting: not asked yet; no commit runs yet"),
        (status(Sync.IN_SYNC), f"in sync: {RUNS}"),
        (
            status(Sync.BEHIND, wanted=TWO),
            "behind: commit 2222222222 (Keep a year, Ben) is being applied",
        ),
        (status(Sync.BEHIND, wanted=UNKNOWN), "behind: commit 3333333333 is being applied"),
        (status(Sync.BEHIND, "the disk: full"), f"behind: the disk: full; {RUNS}"),
        (
            status(Sync.INVALID, "x", (FAULT, FAULT, FAULT), wanted=TWO),
            "invalid: commit 2222222222 (Keep a year, Ben) is not applied: "
            f"devices/pi.yaml:3:1: unknown key 'stroe', and 2 more; {RUNS}",
        ),
        (
            status(Sync.INVALID, "x", (Problem(code="too_much", text="too large"),), wanted=None),
            f"invalid: the newest commit is not applied: too large; {RUNS}",
        ),
        (status(Sync.UNREACHABLE, "host not found"), f"unreachable: host not found; {RUNS}"),
        (status(Sync.BRANCH_GONE, "no branch 'x'"), f"branch gone: no branch 'x'; {RUNS}"),
        (
            status(Sync.REWRITTEN, rewritten_from="a" * 40),
            f"rewritten: a force-push took commit aaaaaaaaaa out of the branch; {RUNS}",
        ),
        (
            status(Sync.EDITED_LOCALLY, edited=("a",), edits_kept="edits/1"),
            f"edited locally: a was edited by hand and put back, the edits are in edits/1; {RUNS}",
        ),
        (
            status(Sync.EDITED_LOCALLY, edited=tuple("abcde")),
            f"edited locally: a, b, c and 2 more were edited by hand and put back; {RUNS}",
        ),
    ],
)
def test_every_state_is_told_in_a_sentence(found: Status, words: str) -> None:
    assert str(found) == words
    assert found.as_json()["says"] == words.partition(": ")[2]
