"""So many a minute, and no more."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """A minute's worth may come at once; then as many as `per_minute` says."""

    def __init__(self, per_minute: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._most = max(1.0, per_minute)
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def may(self) -> bool:
        """Whether one more is within it; then it counts."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
