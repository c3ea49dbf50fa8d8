"""A change on probation: it is taken back when it makes a healthy part fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from towline.status import State

Status = Callable[[], Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Relapse:
    """A part that was well before the change and is not any more."""

    key: str
    reason: str


def healthy(status: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The backends, brokers and sources that are well."""
    rooms = ("backends.", "brokers.", "sources.")
    return frozenset(
        key for key, part in status.items() if key.startswith(rooms) and part["state"] == State.UP
    )


async def relapse(
    before: frozenset[str],
    status: Status,
    seconds: float,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Relapse | None:
    """Wait `seconds`, then name the first part that was healthy before and is not now.

    A part that fell over and came back within that time has passed; one that is gone was removed.
    """
    await sleep(seconds)
    now = status()
    for key in sorted(before & now.keys()):
        if now[key]["state"] != State.UP:
            return Relapse(key, str(now[key]["reason"] or now[key]["state"]))
    return None
