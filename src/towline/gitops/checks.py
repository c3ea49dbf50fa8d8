"""Whether a device can run on a tree, and its problems in the repository's own paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from towline.errors import Problem
from towline.gitops.reasons import CommitRefused
from towline.gitops.trees import Tree

Verify = Callable[[Path], Sequence[Problem]]
"""What is wrong with the file of a tree that is not in force yet; nothing: it can be used."""


def refuse_unusable(tree: Tree, path: str, verify: Verify) -> None:
    """`CommitRefused` when a tree lacks the device's file, or `verify` finds problems."""
    refuse_without(tree, path)
    refuse_for(tree, verify(tree.folder / path))


def refuse_without(tree: Tree, path: str) -> None:
    """`CommitRefused` when a tree lacks the device's file."""
    if (tree.folder / path).is_file():
        return
    near = get_close_matches(path, list(tree.manifest), 1, 0.6)
    raise CommitRefused(
        [
            Problem(
                code="missing_file",
                text=f"the commit has no file {path!r} for this device",
                file=path,
                hint=f"did you mean {near[0]!r}?" if near else "",
            )
        ]
    )


def refuse_for(tree: Tree, problems: Sequence[Problem]) -> None:
    """`CommitRefused` with these problems unless all are warnings; files as the repository's."""
    if any(problem.severity != "warning" for problem in problems):
        raise CommitRefused([_inside(tree, problem) for problem in problems])


def _inside(tree: Tree, problem: Problem) -> Problem:
    try:
        return replace(problem, file=Path(problem.file).relative_to(tree.folder).as_posix())
    except ValueError:
        return problem
