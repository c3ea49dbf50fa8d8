"""A container that a source knows: how it is, whether it is read, how far that is on disk."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from towline.record import Origin
from towline.sources.docker.follow import Reading
from towline.sources.docker.origins import Container
from towline.store.checkpoints import Checkpoint

SAVE_ROWS: Final = 4096
SAVE_SECONDS: Final = 30.0
"""A checkpoint is due after so many rows or seconds: each is a write on an SD card."""


class Known:
    """One container. `origin` may change (a rename); `reading` and its position stay."""

    def __init__(self, container: Container, origin: Origin, reading: Reading) -> None:
        self.container = container
        self.origin = origin
        self.reading = reading
        self.task: asyncio.Task[None] | None = None
        self.again = False
        self.wanted: bool | None = None
        self.fault = ""
        self.exit_code: int | None = None
        self.last_at = 0
        self._saved_seq = reading.position.saved_seq
        self._saved_at = 0.0
        self._unsaved: int | None = None
        self._saving: tuple[int, int | None] | None = None

    @property
    def attached(self) -> bool:
        """Whether it is being read."""
        return self.task is not None and not self.task.done()

    def emitted(self, offset: int) -> None:
        """Records of it were appended at or after `offset`."""
        if self._unsaved is None:
            self._unsaved = offset
        self.last_at = time.time_ns() // 1_000_000

    def checkpoint(self, *, final: bool) -> Checkpoint | None:
        """A checkpoint if one is due and possible."""
        position = self.reading.position
        rows = position.seq - self._saved_seq
        age = time.monotonic() - self._saved_at
        if not rows or not (final or rows >= SAVE_ROWS or age >= SAVE_SECONDS):
            return None
        point = position.checkpoint()
        if point is not None:
            self._saving = (point.seq, self._unsaved)
            self._unsaved = None
        return point

    def lowest_unsaved(self) -> int | None:
        """The offset from which on its records are beyond the last checkpoint asked for."""
        return self._unsaved

    def saved(self) -> None:
        """The checkpoint asked for is on disk."""
        if self._saving is not None:
            self._saved_seq, self._saving = self._saving[0], None
            self._saved_at = time.monotonic()

    def unsaved_again(self) -> None:
        """The checkpoint asked for did not reach the disk."""
        if self._saving is not None:
            self._unsaved, self._saving = self._saving[1], None

    def as_json(self, source: str) -> dict[str, Any]:
        """The shape that `GET /containers` serves."""
        container, origin, counters = self.container, self.origin, self.reading.counters
        state = container.state
        health = (state.get("Health") or {}).get("Status")
        return {
            "id": container.id,
            "name": container.name,
            "origin": origin.name,
            "image": container.image,
            "source": source,
            "app": origin.app,
            "project": origin.project,
            "serviceId": origin.service_id,
            "serviceName": origin.service,
            "state": state.get("Status"),
            "running": container.running,
            "health": health,
            "exitCode": None if container.running else state.get("ExitCode"),
            "startedAt": state.get("StartedAt"),
            "attached": self.attached,
            "log": {
                "driver": container.driver,
                "rotated": container.rotated,
                "fault": self.fault or None,
                "lastAt": self.last_at or None,
                "rows": self.reading.position.seq,
                "lines": counters["lines"],
                "gaps": counters["gaps"],
            },
        }
