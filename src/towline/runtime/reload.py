"""One attempt to bring a configuration into force, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from towline.config.problems import as_json
from towline.errors import Problem
from towline.runtime.diff import Plan


@dataclass(frozen=True, slots=True)
class Applied:
    """In force; an empty plan means nothing had changed. `probation`: seconds it is watched.

    `warnings`: what is odd in the text.
    """

    plan: Plan
    probation: float = 0.0
    warnings: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        plan = self.plan
        watched = {"probation": self.probation} if self.probation else {}
        return {
            "outcome": "applied",
            "added": sorted(plan.added),
            "changed": sorted(plan.changed),
            "removed": sorted(plan.removed),
            "kept": sorted(plan.kept),
            "warnings": as_json(self.warnings),
            **watched,
        }

    def __str__(self) -> str:
        plan = self.plan
        steps = (("added", plan.added), ("changed", plan.changed), ("removed", plan.removed))
        said = [f"{word} {', '.join(sorted(keys))}" for word, keys in steps if keys]
        watched = f"; on probation for {self.probation:g} s" if self.probation else ""
        what = "; ".join(said) or "nothing changed"
        return f"configuration applied: {what}{watched}{_warned(self.warnings)}"


@dataclass(frozen=True, slots=True)
class Refused:
    """Faulty text; nothing was touched."""

    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return {"outcome": "refused", "problems": as_json(self.problems)}

    def __str__(self) -> str:
        return f"configuration refused: {_with_place(self.problems[0])}"


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Sound text, but a component would not open; the former state is back."""

    key: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return {"outcome": "rolled back", "component": self.key, "reason": self.reason}

    def __str__(self) -> str:
        return f"configuration rolled back: {self.key}: {self.reason}"


def _warned(warnings: Sequence[Problem]) -> str:
    if not warnings:
        return ""
    more = f", and {len(warnings) - 1} more" if warnings[1:] else ""
    return f"; warning: {_with_place(warnings[0])}{more}"


def _with_place(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}:{problem.column}: " if problem.file else ""
    return f"{place}{problem.text}"


Outcome = Applied | Refused | RolledBack
