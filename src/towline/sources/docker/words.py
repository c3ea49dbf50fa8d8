"""Docker's own words of a container, as lines of the system. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from towline.record import Line, time_text

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "start": ("info", "container {name} started"),
    "die": ("error", "container {name} exited with code {code}"),
    "oom": ("error", "container {name} ran out of memory"),
    "health_status: unhealthy": ("error", "container {name} is unhealthy"),
    "health_status: healthy": ("info", "container {name} is healthy"),
    "destroy": ("info", "container {name} was removed"),
}
_WELL: Final = ("0", "143")
"""Exit codes of a container that ended on purpose; 143 is SIGTERM's."""


def line_of(action: str, attributes: Mapping[str, str], ns: int) -> Line | None:
    """What an event says, at a time in nanoseconds; None for one that says nothing to people."""
    words = _WORDS.get(action)
    if words is None:
        return None
    level, text = words
    code = attributes.get("exitCode", "")
    if action == "die" and code in _WELL:
        level = "info"
    said = text.format(name=attributes.get("name", ""), code=code)
    return Line(said, time_text(ns), ns // 1_000_000, level=level, system=True)
