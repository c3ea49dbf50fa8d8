"""Problems for people, for programs and for the pages of a code review."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import Any

from towline.errors import Problem

# Control characters, and those that turn the direction of what follows.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def path_text(path: Iterable[Hashable]) -> str:
    """The way to a value as people write it: `routes[0].to`."""
    written = ""
    for step in path:
        if isinstance(step, int):
            written += f"[{step}]"
        elif step is not None:
            written += f".{step}" if written else str(step)
    return _showable(written)


def as_text(problems: Iterable[Problem]) -> str:
    """Each problem with its place, the line it stands in, a caret and a hint."""
    return "\n\n".join(_block(problem) for problem in problems)


def as_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """The shape that the API and `check` give to programs."""
    return [
        {
            "severity": problem.severity,
            "code": problem.code,
            "message": problem.text,
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "path": path_text(problem.path),
            "source": problem.source,
            "hint": problem.hint,
        }
        for problem in problems
    ]


def as_annotations(problems: Iterable[Problem]) -> str:
    """Workflow commands that put each problem beside its line in a code review."""
    return "\n".join(_annotation(problem) for problem in problems)


def _block(problem: Problem) -> str:
    path = path_text(problem.path)
    said = "warning: " if problem.severity == "warning" else ""
    head = f"{_place(problem)}{said}{_showable(problem.text)}" + (f" (at {path})" if path else "")
    lines = [head]
    if problem.source:
        lines.append(f"    {_showable(problem.source)}")
    if problem.source and problem.file and problem.column <= len(problem.source):
        lines.append(f"    {' ' * (problem.column - 1)}^")
    if problem.hint:
        lines.append(f"    {_showable(problem.hint)}")
    return "\n".join(lines)


def _place(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}:{problem.column}: " if problem.file else ""


def _showable(text: str) -> str:
    return _UNSHOWABLE.sub(_stand_in, text)


def _stand_in(found: re.Match[str]) -> str:
    """One character for one, so that the caret stays under its place."""
    return " " if found[0] == "\t" else "\N{REPLACEMENT CHARACTER}"


def _annotation(problem: Problem) -> str:
    hint = f" ({problem.hint})" if problem.hint else ""
    where = f"file={_property(problem.file)},line={problem.line},col={problem.column}"
    return f"::{problem.severity} {where if problem.file else ''}::{_data(problem.text + hint)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
