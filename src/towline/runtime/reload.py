"""One attempt to bring a configuration into force, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from towline.config.problems import as_json
from towline.errors import Problem
from towline.runtime.diff import Plan


@dataclass(frozen=True, slots=True)
class Applied:
    """In force; an empty plan means nothing had changed. `probation`: seconds it is watched."""

    plan: Plan
    probation: float = 0.0

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
            **watched,
        }

    def __str__(self) -> str:
        plan = self.plan
        steps = (("added", plan.added), ("changed", plan.changed), ("removed", plan.removed))
        said = [f"{word} {', '.join(sorted(keys))}" for word, keys in steps if keys]
        watched = f"; on probation for {self.probation:g} s" if self.probation else ""
        return f"configuration applied: {'; '.join(said) or 'nothing changed'}{watched}"


@dataclass(frozen=True, slots=True)
class Refused:
    """Faulty text; nothing was touched."""

    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return {"outcome": "refused", "problems": as_json(self.problems)}

    def __str__(self) -> str:
        first = self.problems[0]
        place = f"{first.file}:{first.line}:{first.column}: " if first.file else ""
        return f"configuration refused: {place}{first.text}"


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


Outcome = Applied | Refused | RolledBack
