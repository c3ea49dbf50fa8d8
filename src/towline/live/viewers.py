"""All viewers of this Towline: how many there may be, and the word that it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from towline.live.press import Press
from towline.status import Health

LIMIT: Final = 500
"""Viewers at a time; each one costs a connection and its share of every frame."""


class Full(Exception):
    """There are as many viewers as there may be."""


class Viewers:
    """Counts viewers in and out. Create it inside the running loop."""

    def __init__(self, limit: int = LIMIT, *, health: Health | None = None) -> None:
        self.limit = limit
        self.open = 0
        self.health = health or Health()
        self.press = Press()
        self.stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @contextmanager
    def seat(self) -> Iterator[None]:
        """A place for one viewer; `Full` where there is none."""
        if self.open >= self.limit:
            self.health.counters["refused"] += 1
            raise Full(f"there are {self.open} viewers, and that is as many as there may be")
        self.open += 1
        self.health.counters["served"] += 1
        try:
            yield
        finally:
            self.open -= 1

    def stop(self) -> None:
        """Tell every viewer that the server stops."""
        if not self.stopping.done():
            self.stopping.set_result(None)
