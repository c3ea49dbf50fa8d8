"""A Docker source at work on a real engine, and what it handed over."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.real.until import auntil
from towline.config.kinds import Surroundings
from towline.config.settings import Device, Match
from towline.record import Line, Origin, OriginType
from towline.sources.docker.choice import DockerConfig
from towline.sources.docker.source import DockerSource
from towline.status import State
from towline.store.checkpoints import Checkpoints

ALL = (Match(name=("*",)),)
NOT_LABELLED = (Match(label=("towline.enable=false",)),)
DAY = 86_400.0


class Watch:
    """Takes what a source emits, by container."""

    def __init__(
        self,
        host: str,
        *,
        own: tuple[str, ...] = (),
        url: str = "",
        read: str = "api",
        files: str = "",
        folder: Path = Path(),
        **reach: Any,
    ) -> None:
        self._folder = folder
        self._reach = reach
        self.checkpoints = Checkpoints(None)
        self.origins: dict[str, Origin] = {}
        self.events: list[tuple[Origin, Line]] = []
        self._lines: dict[str, list[Line]] = defaultdict(list)
        self._count = 0
        self._host = url or host
        self._own = own
        self.read = read
        self._files = files
        self.source = self.new_source()

    def new_source(self) -> DockerSource:
        """The next reader: what a reload or a restart makes."""
        config = DockerConfig(
            url=self._host,
            read=self.read,
            files=self._files,
            include=ALL,
            exclude=NOT_LABELLED,
            **self._reach,
        )
        around = Surroundings(
            device=Device(id="pi", name="Pi"),
            lookup=lambda key: None,
            checkpoints=self.checkpoints,
            max_age=DAY,
            folder=self._folder,
        )
        self.source = DockerSource("docker", config, around, own=self._own)
        return self.source

    def emit(self, origin: Origin, lines: list[Line]) -> int:
        """As the intake takes lines."""
        name = origin.container or "(source)"
        if lines and origin.type == OriginType.SYSTEM:
            name = "(system)"
            self.events += [(origin, line) for line in lines]
        if lines:
            self.origins[name] = origin
        self._lines[name] += lines
        self._count += len(lines)
        return self._count

    def lines(self, name: str) -> list[Line]:
        """What a container wrote, so far."""
        return [line for line in self._lines[name] if not line.system]

    def texts(self, name: str, *, stderr: bool | None = None) -> list[str]:
        """The texts of that, of one stream or of both."""
        return [line.text for line in self.lines(name) if stderr in (None, line.stderr)]

    def gaps(self, name: str) -> list[str]:
        """What was said of lost lines of a container."""
        return [line.text for line in self._lines[name] if '"gap"' in line.extra]

    def said(self) -> list[str]:
        """Docker's own words."""
        return [line.text for line in self._lines["(system)"]]

    def shown(self, name: str) -> dict[str, Any]:
        """A container as the API shows it."""
        return next((row for row in self.source.containers() if row["name"] == name), {})

    def save(self) -> None:
        """What the store's upkeep does after a sync."""
        progress = self.source.progress(final=True)
        self.checkpoints.save(progress.points, progress.covered)
        progress.saved()

    async def until(self, name: str, last: str, timeout: float = 20) -> list[str]:
        """The container's texts once one of them is `last`."""
        await auntil(lambda: last in self.texts(name), timeout, f"{last!r} of {name}")
        return self.texts(name)

    async def until_ended(self, name: str, timeout: float = 20) -> list[str]:
        """The container's texts once all of its log is read."""
        await auntil(lambda: self._ended(name), timeout, f"the end of {name}")
        return self.texts(name)

    def _ended(self, name: str) -> bool:
        shown = self.shown(name)
        return bool(shown) and not shown["running"] and not shown["attached"]

    async def until_up(self, timeout: float = 20) -> None:
        """Once the source has met the engine."""
        await auntil(lambda: self.source.health.state == State.UP, timeout)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let it run; nothing of it may be left behind."""
        async with self.source:
            task = asyncio.create_task(self.source.run(self.emit))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])
        if not task.cancelled() and (fault := task.exception()):
            raise fault
        assert asyncio.all_tasks() - {asyncio.current_task()} == set()


Named = Callable[[str], str]
