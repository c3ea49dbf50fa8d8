"""What a container's log amounts to: rates, totals, the last error. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from towline.record import RANK, Record

BUCKET: Final = 5.0
"""Seconds of one bucket; a minute is twelve of them."""

_MINUTE: Final = 12
_ERROR: Final = RANK["error"]
STATE_LENGTH: Final = 255
"""Characters that Home Assistant takes as a state; a longer one becomes `unknown`."""

ATTRIBUTE_LENGTH: Final = 8000
"""Characters of the whole text: attributes over 16,384 bytes are not recorded."""

_STEPS: Final = (0, 60, 120, 300, 600, 900, 1800, 3600)


@dataclass(slots=True)
class Tally:
    """One container's. Times are seconds of the clock that is passed in."""

    lines: int = 0
    errors: int = 0
    last_at: float = 0.0
    last_error: Record | None = None
    buckets: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=_MINUTE + 1))

    def add(self, record: Record, now: float) -> None:
        """Count a record of the container's own."""
        failed = RANK[record.level] >= _ERROR
        self.lines += 1
        self.errors += failed
        self.last_at = now
        if failed:
            self.last_error = record
        at = int(now // BUCKET)
        if self.buckets and self.buckets[-1][0] == at:
            _, lines, errors = self.buckets[-1]
            self.buckets[-1] = at, lines + 1, errors + failed
        else:
            self.buckets.append((at, 1, int(failed)))

    def per_minute(self, now: float) -> tuple[int, int]:
        """Lines and errors of the last minute, in whole buckets."""
        since = int(now // BUCKET) - _MINUTE
        recent = [one for one in self.buckets if one[0] > since]
        return sum(one[1] for one in recent), sum(one[2] for one in recent)

    def as_state(self, now: float) -> dict[str, Any]:
        """The members of the container's state that its log gives."""
        lines, errors = self.per_minute(now)
        error = self.last_error
        return {
            "lines_per_minute": lines,
            "errors_per_minute": errors,
            "lines_total": self.lines,
            "errors_total": self.errors,
            "last_error": cut(error.message) if error else None,
            "silent_for": silence(now - self.last_at) if self.last_at else None,
        }


def silence(seconds: float) -> int:
    """In steps that grow: an idle container is news ever more seldom."""
    if seconds >= _STEPS[-1]:
        return int(seconds // _STEPS[-1]) * _STEPS[-1]
    return max(step for step in _STEPS if step <= max(0.0, seconds))


def cut(text: str) -> str:
    """A text short enough for a state."""
    return text if len(text) <= STATE_LENGTH else f"{text[: STATE_LENGTH - 1]}…"
