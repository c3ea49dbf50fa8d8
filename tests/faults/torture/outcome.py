"""What came of one scenario, as a row of a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.torture.lines import Found


@dataclass(slots=True)
class Outcome:
    """Counted, measured, and what of it must not be. `times` are seconds of what `timed` names."""

    name: str
    lines: int = 0
    found: Found = field(default_factory=Found)
    gaps: int = 0
    timed: str = ""
    times: list[float] = field(default_factory=list)
    rss_max: int = 0
    fds: int = 0
    seconds: float = 0.0
    note: str = ""
    problems: list[str] = field(default_factory=list)

    def must(self, holds: object, problem: str) -> None:
        """Note a problem unless it holds."""
        if not holds:
            self.problems.append(problem)

    def must_be_clean(self) -> None:
        """Nothing lost, nothing twice, all in order, no gap said."""
        found = self.found
        self.must(found.clean, f"{found}")
        self.must(not self.gaps, f"{self.gaps} gaps were said and nothing is missing")

    @property
    def passed(self) -> bool:
        """Whether all is as it must be."""
        return not self.problems

    def percentile(self, share: float) -> float | None:
        """A percentile of the times, in milliseconds."""
        if not self.times:
            return None
        ordered = sorted(self.times)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {
            "name": self.name,
            "passed": self.passed,
            "lines": self.lines,
            "lost": self.found.lost,
            "dup": self.found.dup,
            "order": self.found.order,
            "strange": self.found.strange,
            "gaps": self.gaps,
            "timed": self.timed,
            "p50_ms": self.percentile(0.5),
            "p99_ms": self.percentile(0.99),
            "rss_max": self.rss_max,
            "fds": self.fds,
            "seconds": round(self.seconds, 1),
            "note": self.note,
            "problems": self.problems,
        }


_HEADS = ("name", "lines", "lost", "dup", "order", "gaps", "p50", "p99", "MB", "fds", "s", "")
_LEFT = (0, 11)


def row_of(outcome: Outcome) -> tuple[str, ...]:
    """The cells of its row."""
    p50, p99 = outcome.percentile(0.5), outcome.percentile(0.99)
    found = outcome.found
    return (
        outcome.name,
        f"{outcome.lines:,}",
        str(found.lost),
        str(found.dup),
        str(found.order + found.strange),
        str(outcome.gaps),
        "" if p50 is None else f"{p50:g}",
        "" if p99 is None else f"{p99:g}",
        str(outcome.rss_max >> 20) if outcome.rss_max else "",
        str(outcome.fds or ""),
        f"{outcome.seconds:.1f}",
        "; ".join([*outcome.problems, *filter(None, [outcome.timed, outcome.note])]),
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """All of them, aligned."""
    rows = [_HEADS, *map(row_of, outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in _LEFT else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
