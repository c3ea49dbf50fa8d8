"""States of devices, from what the API knows. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from towline.homeassistant.names import safe

Row = Mapping[str, Any]

ON, OFF = "ON", "OFF"
LOOP: Final = 3
"""Restarts within `LOOP_SECONDS` that make a restart loop."""

LOOP_SECONDS: Final = 600.0
_UNKNOWN: Final = "0001-01-01T00:00:00Z"
_DAY: Final = 86_400.0


class Restarts:
    """Recognises a container that comes up again and again."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, deque[float]]] = {}

    def loops(self, row: Row, now: float) -> bool:
        """Whether it began anew so often lately."""
        name, started = str(row.get("origin")), str(row.get("startedAt") or "")
        known, times = self._seen.setdefault(name, (started, deque(maxlen=LOOP)))
        if started and known and started != known:
            times.append(now)
        self._seen[name] = started or known, times
        return len(times) == LOOP and now - times[0] <= LOOP_SECONDS

    def forget(self, name: str) -> None:
        """The container is gone."""
        self._seen.pop(name, None)


def container_state(row: Row, *, loops: bool) -> dict[str, Any]:
    """What the engine tells, or Supervisor, as the entities take it; empty where neither does."""
    state = row.get("state")
    if state is None:
        return {}
    sick = row.get("health") == "unhealthy" or state in ("restarting", "dead") or loops
    sick = sick or bool(row.get("failed"))
    started = row.get("startedAt")
    update = row.get("updateAvailable")
    return {
        "running": ON if row.get("running") else OFF,
        "problem": ON if sick else OFF,
        "state": state,
        "health": row.get("health"),
        "exit_code": row.get("exitCode"),
        "restarts": row.get("restarts"),
        "image": row.get("image"),
        "started_at": started if started != _UNKNOWN else None,
        "cpu": row.get("cpu"),
        "memory": row.get("memory"),
        **({} if update is None else {"update_available": ON if update else OFF}),
    }


RESTLESS: Final = frozenset({"cpu", "memory"})
"""Members that are never twice the same: alone they are worth a message now and then."""

STATES_EVERY: Final = 10.0
"""Seconds between two states of a container when only its log has moved."""

RESTLESS_EVERY: Final = 60.0
"""The same when only what it uses of the machine has."""


def is_news(before: Row, state: Row, urgent: Iterable[str], waited: float) -> bool:
    """Whether a state is worth a message: at once where it matters, else now and then.

    `waited` is how many seconds ago the state `before` was sent.
    """
    changed = {key for key in state if before.get(key) != state[key]}
    calm = changed - RESTLESS
    if calm & set(urgent):
        return True
    return bool(changed) and waited >= (STATES_EVERY if calm else RESTLESS_EVERY)


class Losses:
    """How many lines were lost in the last 24 hours, from counters that only grow."""

    def __init__(self) -> None:
        self._at: deque[tuple[float, int]] = deque()
        self._base = 0
        self._last = 0

    def of(self, total: int, now: float) -> int:
        """With the counters' sum as it is now; a counter begun anew counts from there."""
        if total < self._last:
            self._base += self._last
        self._last = total
        if not self._at or self._base + total != self._at[-1][1]:
            self._at.append((now, self._base + total))
        while len(self._at) > 1 and self._at[1][0] <= now - _DAY:
            self._at.popleft()
        return self._at[-1][1] - self._at[0][1]


LOST: Final = ("gaps", "unwritten", "missed_container", "missed", "discarded", "dropped_lines")
"""Counters of components that say that something was lost."""


def lost_in(status: Mapping[str, Row]) -> int:
    """The sum of the counters that say so."""
    counters = (part.get("counters") or {} for part in status.values())
    return sum(int(found.get(key, 0)) for found in counters for key in LOST)


def towline_state(
    status: Mapping[str, Row], backends: Iterable[Row], *, lost: int, log_level: str
) -> dict[str, Any]:
    """The state of Towline's own device."""
    configuration = status.get("configuration", {})
    git = (status.get("git") or {}).get("git") or {}
    found: dict[str, Any] = {
        "configuration": OFF if configuration.get("state") == "up" else ON,
        "commit": str(git.get("commit") or "")[:10] or None,
        "lost": lost,
        "store_size": (status.get("store", {}).get("counters") or {}).get("bytes"),
        "log_level": log_level,
    }
    for row in backends:
        name, counters = safe(str(row["name"])), row.get("counters") or {}
        found[f"lag_{name}"] = row.get("lag")
        found[f"sent_{name}"] = counters.get("sent", 0)
        found[f"missed_{name}"] = counters.get("missed", 0)
    for key, part in status.items():
        if key.startswith("brokers."):
            found[f"broker_{safe(key.partition('.')[2])}"] = ON if part["state"] == "up" else OFF
    return found


def problem(status: Mapping[str, Row]) -> dict[str, Any]:
    """What is wrong, for people: attributes of the configuration's entity."""
    configuration = status.get("configuration", {})
    sick = {
        key: str(part.get("reason"))[:500]
        for key, part in status.items()
        if part.get("state") != "up" and part.get("reason")
    }
    return {"text": str(configuration.get("reason") or "")[:4000], "components": sick}
