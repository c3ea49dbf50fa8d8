"""A container that a source knows: how it is, whether it is read, how far that is on disk."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, Final

from towline.record import Origin
from towline.sources.docker.follow import Reading
from towline.sources.docker.origins import Container
from towline.sources.docker.usage import Usage
from towline.sources.unsaved import Unsaved
from towline.store.checkpoints import Checkpoint

VIEWED: Final = 30.0
"""Seconds for which an excluded container is read on after somebody was seen to view it."""

SAVE_ROWS: Final = 4096
SAVE_SECONDS: Final = 30.0
"""A checkpoint is due after so many rows or seconds: each is a write on an SD card."""


class Known:
    """One container. `origin` may change (a rename); `reading` and its position stay.

    `wanted` is what somebody asked for by hand; `unreadable` is final, until asked for by hand.
    """

    def __init__(self, container: Container, origin: Origin, reading: Reading) -> None:
        self.container = container
        self.origin = origin
        self.reading = reading
        self.task: asyncio.Task[None] | None = None
        self.again = asyncio.Event()
        self.wanted: bool | None = None
        self._viewed_at = float("-inf")
        self.unreadable = False
        self.last_at = 0
        self.usage: Usage | None = None
        self.unsaved = Unsaved(reading.position.saved_seq)
        self._saved_at = 0.0

    @property
    def id(self) -> str:
        """The container's id."""
        return self.container.id

    @property
    def attached(self) -> bool:
        """Whether it is being read."""
        return self.task is not None and not self.task.done()

    @property
    def is_viewed(self) -> bool:
        """Whether somebody viewed it lately."""
        return time.monotonic() - self._viewed_at < VIEWED

    def view(self) -> None:
        """Somebody views it."""
        self._viewed_at = time.monotonic()

    def follow_on(self, former: Known) -> None:
        """Take over what was asked for by hand of the same container."""
        self.wanted, self.unreadable = former.wanted, former.unreadable
        if former.wanted is not None:
            self.origin = keep_service(self.origin, former.origin)

    def wrote(self, origin: Origin) -> bool:
        """Whether an origin is it, whatever its name was then."""
        same = origin.container_id == self.container.id
        return same and origin.source == self.origin.source

    def emitted(self, offset: int) -> None:
        """Records of it were appended at or after `offset`."""
        self.unsaved.emitted(offset)
        self.last_at = time.time_ns() // 1_000_000

    def checkpoint(self, *, final: bool, held: int = 0) -> Checkpoint | None:
        """A checkpoint if one is due, possible and further on than the one on disk.

        `held` is the first row that a step holds back, or 0.
        """
        position = self.reading.position
        rows = position.seq - self.unsaved.seq
        age = time.monotonic() - self._saved_at
        if not rows or not (final or rows >= SAVE_ROWS or age >= SAVE_SECONDS):
            return None
        point = position.checkpoint(held)
        if point is None or point.seq <= self.unsaved.seq:
            return None
        if point.seq == position.seq:
            self.unsaved.asked(point.seq)
        return point

    def saved(self, seq: int) -> None:
        """The checkpoint at row `seq` is on disk."""
        self.unsaved.saved(seq)
        self._saved_at = time.monotonic()

    def as_json(self, source: str) -> dict[str, Any]:
        """The shape that `GET /containers` serves."""
        container, origin, reading = self.container, self.origin, self.reading
        used = self.usage.as_json() if self.usage and container.running else {}
        return used | {
            "id": container.id,
            "name": container.name,
            "device": origin.device,
            "origin": origin.name,
            "image": container.image,
            "source": source,
            "app": origin.app,
            "project": origin.project,
            "serviceId": origin.service_id,
            "serviceName": origin.service,
            "state": container.status or None,
            "running": container.running,
            "health": container.health,
            "exitCode": container.exit_code,
            "oom": container.oom,
            "restarts": container.restarts,
            "startedAt": container.started_at or None,
            "finishedAt": container.finished_at or None,
            "error": container.state.get("Error") or None,
            "attached": self.attached,
            "log": {
                "driver": container.driver,
                "read": reading.way or None,
                "notByFiles": reading.ways.reason or None,
                "rotated": container.rotated,
                "nonBlocking": container.drops,
                "fault": reading.fault or None,
                "lastAt": self.last_at or None,
                "rows": reading.position.seq,
                "lines": reading.catch_up.counters["lines"],
                "gaps": reading.position.gaps,
            },
        }


def keep_service(origin: Origin, before: Origin) -> Origin:
    """An origin with the service that it was said to be before."""
    return replace(origin, service=before.service, service_id=before.service_id)
