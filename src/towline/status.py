"""How a component says how it is: one state, one reason, counters."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, Protocol, runtime_checkable


class State(StrEnum):
    """What a user needs to know of a component at a glance."""

    STARTING = "starting"
    UP = "up"
    DEGRADED = "degraded"
    STOPPED = "stopped"


class Health:
    """A component's state since when, the reason if it is not well, and its counters.

    `since` is seconds since the epoch. `on_change` is told of every change of state.
    """

    __slots__ = ("_clock", "counters", "last_error", "on_change", "reason", "since", "state")

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.state = State.STARTING
        self.reason = ""
        self.last_error = ""
        self.since = clock()
        self.counters: Counter[str] = Counter()
        self.on_change: Callable[[Health], None] = lambda _: None

    def up(self) -> None:
        """All is well."""
        self._become(State.UP, "")

    def degraded(self, reason: str) -> None:
        """Running, but something it needs is away; it comes back by itself."""
        self.last_error = reason
        self._become(State.DEGRADED, reason)

    def stopped(self) -> None:
        """Ended on purpose."""
        self._become(State.STOPPED, "")

    def _become(self, state: State, reason: str) -> None:
        if (state, reason) == (self.state, self.reason):
            return
        changed = state != self.state
        self.state, self.reason = state, reason
        if changed:
            self.since = self._clock()
            self.on_change(self)

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return {
            "state": str(self.state),
            "since": round(self.since * 1000),
            "reason": self.reason or None,
            "lastError": self.last_error or None,
            "counters": dict(self.counters),
        }


@runtime_checkable
class Reports(Protocol):
    """A component that has a health to report."""

    health: Health


_ORDER: Final = (State.UP, State.STOPPED, State.STARTING, State.DEGRADED)


def worst(components: Mapping[str, Mapping[str, Any]]) -> str:
    """The state of the whole: that of the component which is worst off."""
    states = [State(component["state"]) for component in components.values()]
    return str(max(states, key=_ORDER.index, default=State.UP))
