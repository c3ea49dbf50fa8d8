"""A failure that repeats: logged when it starts, once a minute with a count, and when it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

EVERY: Final = 60.0
_REASONS: Final = 16


class Trouble:
    """One thing that can fail again and again. A reason not yet heard is logged at once.

    `started` and `ended` are constant texts; `extra` is data that goes with each of them.
    """

    def __init__(
        self,
        log: logging.Logger,
        started: str,
        ended: str,
        *,
        extra: dict[str, object],
        level: int = logging.WARNING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._started = started
        self._ended = ended
        self._extra = extra
        self._level = level
        self._clock = clock
        self._reasons: set[str] = set()
        self._logged_at = 0.0
        self.count = 0

    def happened(self, reason: str) -> None:
        """It failed (again)."""
        self.count += 1
        now = self._clock()
        if reason in self._reasons or len(self._reasons) >= _REASONS:
            if now - self._logged_at < EVERY:
                return
        else:
            self._reasons.add(reason)
        self._logged_at = now
        self._tell(self._level, self._started, reason=reason)

    def over(self) -> None:
        """It works (again)."""
        if self.count:
            self._tell(logging.INFO, self._ended)
            self.count = 0
            self._reasons.clear()

    def _tell(self, level: int, text: str, **more: object) -> None:
        self._log.log(level, text, extra={**self._extra, **more, "failures": self.count})
