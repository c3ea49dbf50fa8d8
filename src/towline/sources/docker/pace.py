"""When a stream is read again, so that what comes line by line is handled many lines at a time.

A read costs as much as handling ten lines, and dockerd writes each line apart. Measured with ten
containers at 1,000 lines/s each: 13 µs of CPU per line with a rest of 5 ms, 6 with this.
"""

from __future__ import annotations

from typing import Final

LONGEST: Final = 0.02
"""Seconds of rest at most: nobody sees them."""

FILL: Final = 16_000
"""Bytes that may wait: a unix socket holds some 280 short rows, then dockerd waits for us."""

BUSY: Final = 32_000
"""Bytes a second from which on a stream is busy; a hundred short lines a second are half of it."""

_SHORTEST: Final = 0.0005
_WINDOW: Final = 0.05
_SILENCE: Final = 0.2


class Pace:
    """How long one stream rests after a read. `now` is the loop's clock, in seconds.

    `fill` is how much may wait meanwhile: a file has no such limit.

    A quiet stream never rests: its lines go on at once. Nor does one whose reads are full: while
    they are handled, the next ones come together. A rest that ended with a full read was too long,
    whatever the rate: an old log comes as fast as it is taken.
    """

    def __init__(self, now: float, *, fill: int = FILL, longest: float = LONGEST) -> None:
        self._fill = fill
        self._longest = longest
        self._since = now
        self._bytes = 0
        self._busy = False
        self._rested = False
        self._rest = longest

    def rest(self, nbytes: int, now: float) -> float:
        """Seconds to rest after reading `nbytes`, 0 for none.

        Long rests of all streams end at the same moments, so the store is written once for all.
        """
        self._bytes += nbytes
        elapsed = now - self._since
        if elapsed >= _WINDOW:
            self._busy = elapsed < _SILENCE and self._bytes >= BUSY * elapsed
            self._since, self._bytes = now, 0
        if nbytes < self._fill // 4:
            self._rest = min(self._longest, self._rest * 2)
        elif nbytes >= self._fill and self._rested:
            self._rest = max(_SHORTEST, self._rest / 4)
        self._rested = self._busy and nbytes < self._fill
        if not self._rested:
            return 0.0
        longest = self._longest
        return self._rest if self._rest < longest else longest - now % longest
