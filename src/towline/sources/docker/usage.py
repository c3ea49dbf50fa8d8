"""What containers use of CPU and memory: asked of the engine gently, while somebody wants it.

One answer costs the engine some milliseconds. So it is asked for each running container in turn,
every half minute, as long as the question was put within the last two.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from towline.errors import SourceError
from towline.sources.docker.engine import Engine
from towline.sources.docker.stream import fetch

EVERY: Final = 30.0
FIRST: Final = 2.0
"""Seconds between the first two rounds: CPU is what was used between two."""

INTEREST: Final = 120.0
_BREATH: Final = 0.02
_PATIENCE: Final = 5.0

ALWAYS: Final = "always"
NEVER: Final = "never"
WHEN: Final = ("auto", ALWAYS, NEVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU time used so far (nanoseconds) at a moment (nanoseconds); memory in bytes.

    `cpu` is in percent of one core since the sample before, None for the first. Memory is counted
    as `docker stats` does: without what the kernel keeps of files and can drop.
    """

    at: int
    spent: int
    memory: int
    limit: int
    cpu: float | None = None

    @classmethod
    def parse(cls, found: Mapping[str, Any], before: Usage | None) -> Usage | None:
        """From the answer of `GET /containers/{id}/stats`; None where the container is stopped."""
        spent = ((found.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
        memory = found.get("memory_stats") or {}
        at = _moment(found.get("read"))
        if not isinstance(spent, int) or "usage" not in memory or not at:
            return None
        detail = memory.get("stats") or {}
        files = detail.get("total_inactive_file", detail.get("inactive_file", 0))
        cpu = None
        if before is not None and at > before.at and spent >= before.spent:
            cpu = round((spent - before.spent) / (at - before.at) * 100, 1)
        used = max(0, memory["usage"] - files)
        return cls(at=at, spent=spent, memory=used, limit=memory.get("limit") or 0, cpu=cpu)

    def as_json(self) -> dict[str, Any]:
        """Members of what `GET /containers` serves."""
        found = {"memory": self.memory, "memoryLimit": self.limit or None}
        return found if self.cpu is None else {"cpu": self.cpu} | found


def _moment(text: object) -> int:
    if not isinstance(text, str) or text.startswith("0001-"):
        return 0
    with suppress(ValueError):
        return round(datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp() * 1e9)
    return 0


def _is_first(one: Used) -> bool:
    return one.usage is not None and one.usage.cpu is None


class Used(Protocol):
    """A container whose use is asked for."""

    usage: Usage | None

    @property
    def id(self) -> str:
        """The container's."""


class Meter:
    """Keeps the usage of containers fresh while somebody asks (`when`: auto, always, never)."""

    def __init__(self, when: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._when = when
        self._clock = clock
        self._asked_at = float("-inf")
        self._bell = asyncio.Event()

    def ask(self) -> None:
        """Somebody wants to know."""
        self._asked_at = self._clock()
        if self._when != NEVER:
            self._bell.set()

    @property
    def wanted(self) -> bool:
        """Whether somebody asked lately."""
        if self._when in (ALWAYS, NEVER):
            return self._when == ALWAYS
        return self._clock() - self._asked_at < INTEREST

    async def run(self, engine: Engine, running: Callable[[], Iterable[Used]]) -> None:
        """Until cancelled."""
        while True:
            if not self.wanted:
                self._bell.clear()
                await self._bell.wait()
                continue
            asked = list(running())
            for one in asked:
                with suppress(SourceError, ValueError):  # gone meanwhile, or too busy to answer
                    one.usage = await self._sample(engine, one)
                await asyncio.sleep(_BREATH)
            await asyncio.sleep(EVERY if asked and not any(map(_is_first, asked)) else FIRST)

    async def _sample(self, engine: Engine, one: Used) -> Usage | None:
        version = "{}.{}".format(*engine.api)
        target = f"/v{version}/containers/{one.id}/stats?stream=false&one-shot=true"
        answer = await fetch(engine.address, target, _PATIENCE)
        return Usage.parse(json.loads(answer), one.usage)
