"""Saying how much a backend has missed: as one record, not as one for every read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

EVERY: Final = 60.0


class Missed:
    """Adds up what is missed, and tells the sum: at once, then once a minute, then the rest."""

    def __init__(self, tell: Callable[[int], None], clock: Callable[[], float]) -> None:
        self._tell = tell
        self._clock = clock
        self._untold = 0
        self._told_at = -EVERY

    def add(self, lost: int) -> None:
        """So many more."""
        self._untold += lost
        if self._clock() - self._told_at >= EVERY:
            self.tell()

    def tell(self) -> None:
        """Tell what has not been told."""
        if self._untold:
            lost, self._untold = self._untold, 0
            self._told_at = self._clock()
            self._tell(lost)
