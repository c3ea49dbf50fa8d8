"""Times as the Engine's API wants them. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime


def since_text(rfc3339: str, *, back: int = 0) -> str:
    """An RFC 3339 time with nanoseconds as the API's `since`, `back` seconds earlier.

    `sec.nnnnnnnnn`, never a float: that would round (FAULTS 0.3). `ValueError` when it is no time.
    """
    whole, _, fraction = rfc3339.removesuffix("Z").partition(".")
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        raise ValueError(f"no time: {rfc3339!r}")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp()) - back
    return f"{seconds}.{fraction.ljust(9, '0')[:9]}"


def first_since(created: str, max_age: float, *, now: Callable[[], float] = time.time) -> str:
    """Where to begin with a container never seen: what retention would drop at once is not read.

    Empty (from the beginning) for a container younger than that: passing over rows costs Docker a
    look at each of them.
    """
    horizon = now() - max_age
    with suppress(ValueError):
        if datetime.fromisoformat(created[:19] + "+00:00").timestamp() >= horizon:
            return ""
    return f"{max(0, int(horizon))}.000000000"


def api_moment(ns: int) -> str:
    """Nanoseconds since the epoch as the API's `since`."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    return f"{seconds}.{fraction:09d}"
