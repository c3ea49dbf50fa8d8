"""Discovery is off: what was announced before is taken back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self

from towline.broker.connection import Connection
from towline.homeassistant.memory import Memory
from towline.homeassistant.names import Place


class Withdrawal:
    """Leaves nothing behind in Home Assistant, then rests. It has nothing to report."""

    def __init__(self, device: str, prefix: str, connection: Connection, file: Path | None) -> None:
        self._device = device
        self._prefix = prefix
        self._connection = connection
        self._memory = Memory(file)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing is held."""

    async def run(self) -> None:
        """Take back every device; the connection sees to it that the broker hears of it."""
        await asyncio.to_thread(self._memory.load)
        for topic, known in self._memory:
            place = Place(self._prefix, self._device, known.name if known.source else "")
            for left in (topic, *place.kept):
                self._connection.keep(left, b"")
            self._memory.drop(topic)
        await asyncio.to_thread(self._memory.save)
        await asyncio.Event().wait()
