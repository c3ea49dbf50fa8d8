"""Ctrl-C and SIGTERM: the first one stops the work, later ones only hurry the cleaning up."""

from __future__ import annotations

import signal
from types import FrameType


class Stopped(BaseException):
    """Someone asked to stop; `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stops:
    """Listens for both signals. `hurry` says that they came more than once, or while cleaning."""

    def __init__(self) -> None:
        self.hurry = False
        self._deaf = False

    def listen(self) -> None:
        """From now on a signal raises `Stopped` in the main thread, once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._heard)

    def close_ears(self) -> None:
        """What follows must not be interrupted: it cleans up."""
        self._deaf = True

    def _heard(self, number: int, _: FrameType | None) -> None:
        if self._deaf:
            self.hurry = True
            return
        self._deaf = True
        raise Stopped(number)
