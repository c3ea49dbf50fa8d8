"""One service read through a manager's service logs, with what they are known to do wrong.

They stop without a word (moby#33183, moby#41733) and end when a node is away (moby#37336). So a
stream that is silent is opened again, from a little before its last row, and rows that come twice
are passed over. What is lost all the same nobody can tell: records say `incomplete`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from towline.errors import SourceError
from towline.record import Line
from towline.sources.docker.address import Address
from towline.sources.docker.frames import FramedRows, Rows, TerminalRows
from towline.sources.docker.lines import Lines
from towline.sources.docker.stream import open_stream
from towline.sources.docker.times import since_text
from towline.sources.swarm.tasks import Seen, Service, attributed
from towline.status import Health

SILENCE: Final = 60.0
"""Seconds of nothing after which a stream counts as dead, and is opened again."""

OVERLAP: Final = 10.0
"""Seconds before the last row from which it is asked again: nodes are late by some."""

RETRY: Final = 5.0
UNENDED: Final = 1.0
"""Seconds after which a line without an end is handed on as it is."""

INCOMPLETE: Final = ',"incomplete":true'

Take = Callable[[str, list[Line]], None]
"""Take lines of a task, by its id."""


class ServiceReading:
    """Reads one service until cancelled. `fault` is what is wrong with it, in words."""

    def __init__(self, service: Service, since: str, take: Take, health: Health) -> None:
        self.service = service
        self.fault = ""
        self._since = since
        self._take = take
        self._health = health
        self._seen = Seen()
        self._lines: dict[str, Lines] = {}

    async def run(self, address: Address) -> None:
        """Until cancelled, or the address is no way to the manager any more."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tidy())
            while True:
                try:
                    await self._read(address)
                except SourceError as exc:
                    self.fault = str(exc)
                    self._health.counters["reading_errors"] += 1
                    await asyncio.sleep(RETRY)
                self._health.counters["reopened"] += 1

    async def _read(self, address: Address) -> None:
        rows: Rows = TerminalRows() if self.service.terminal else FramedRows()
        self._seen.reopened()

        def feed(data: bytes) -> None:
            self._rows(rows.feed(data))
            if rows.errors:
                self.fault = rows.errors.pop()
                rows.errors.clear()
                self._health.counters["reading_errors"] += 1

        about = "stdout=1&stderr=1&timestamps=1&details=1&follow=1"
        target = f"/services/{quote(self.service.id)}/logs?{about}&since={self._from()}"
        stream = await open_stream(address, target, feed)
        try:
            if await stream.ends(SILENCE):
                await asyncio.sleep(RETRY)
        finally:
            stream.close()

    def _from(self) -> str:
        newest = self._seen.newest() or self._since
        back = datetime.fromisoformat(newest[:19]).replace(tzinfo=UTC) - timedelta(seconds=OVERLAP)
        least = max(f"{back:%Y-%m-%dT%H:%M:%S}.000000000Z", self._since)
        return since_text(self._seen.since(least.encode()))

    def _rows(self, rows: list[bytes]) -> None:
        by_task: dict[str, list[bytes]] = {}
        for row in self._seen.new(rows):
            task, own = attributed(row)
            by_task.setdefault(task, []).append(own)
        if by_task:
            self.fault = ""
        for task, own_rows in by_task.items():
            joiner = self._lines.get(task)
            if joiner is None:
                joiner = self._lines[task] = Lines(terminal=self.service.terminal)
            self._emit(task, joiner.feed(own_rows))

    def _emit(self, task: str, lines: list[Line]) -> None:
        for line in lines:
            line.seq = line.first = 0  # counted by nobody: other tasks' rows may be missing
            line.extra += INCOMPLETE
        if lines:
            self._take(task, lines)

    async def _tidy(self) -> None:
        """Hand on lines that have begun and whose end does not come."""
        stood: dict[str, dict[bool, int]] = {}
        while True:
            await asyncio.sleep(UNENDED)
            for task, joiner in self._lines.items():
                if joiner.pending:
                    self._emit(task, joiner.flush(stood.get(task, {})))
            stood = {task: joiner.newest_parts() for task, joiner in self._lines.items()}

    def forget(self, gone: set[str]) -> None:
        """Tasks that are no more."""
        for task in gone:
            with suppress(KeyError):
                self._emit(task, self._lines.pop(task).flush())

    @property
    def tasks(self) -> set[str]:
        """Those that wrote something."""
        return set(self._lines)
