"""How long to wait between two looks at a repository."""

from __future__ import annotations

from typing import Final

FIRST_RETRY: Final = 10.0
LONGEST_RETRY: Final = 300.0


def pause(interval: float, failures: int, chance: float) -> float:
    """Seconds to the next sync; `chance` from 0 to 1 keeps a fleet from coming all at once."""
    retry = min(interval, FIRST_RETRY) * 2.0 ** min(failures - 1, 16)
    base = min(retry, max(interval, LONGEST_RETRY)) if failures else interval
    return base * (0.9 + 0.2 * chance)
