"""A small table on the terminal: words on the left, numbers on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median as middle


@dataclass(slots=True)
class Table:
    """What one benchmark found. `notes` say how it was measured and what it is compared with."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """One more row."""
        self.rows.append(cells)

    def __str__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.columns))]
        drawn = [_line(line, widths) for line in lines]
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([self.title, "", drawn[0], rule, *drawn[1:], *self.notes, ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    rest = zip(cells[1:], widths[1:], strict=True)
    return "  ".join([cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in rest)])


def median(values: Sequence[float]) -> float:
    """The median; not a number where there is nothing."""
    return middle(values) if values else float("nan")


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")


def thousands(value: float) -> str:
    """A count that is read at a glance."""
    return f"{value:,.0f}"
