"""The Docker source: attaches to containers by itself and reads each of them whole and once."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self

from towline.config.kinds import Surroundings
from towline.errors import NotFound, SourceError
from towline.ports import Emit
from towline.record import Line, Origin, OriginType
from towline.sources.docker.attachments import Attachments
from towline.sources.docker.census import Census
from towline.sources.docker.choice import Choice, DockerConfig
from towline.sources.docker.chronicle import Chronicle
from towline.sources.docker.engine import Engine
from towline.sources.docker.events import Heard, events
from towline.sources.docker.known import Known
from towline.sources.docker.reach import Way
from towline.sources.docker.usage import Meter
from towline.sources.docker.wake import Waker
from towline.sources.docker.ways import Ways
from towline.sources.own import own_container_ids
from towline.status import Health, State
from towline.store.checkpoints import Checkpoint
from towline.store.upkeep import Progress

_log = logging.getLogger(__name__)
CENSUS: Final = 10.0
"""Seconds between two looks at the engine's list: events get lost."""

RETRY_CENSUS: Final = 2.0
PING: Final = 3.0
LOST: Final = 30.0
"""Seconds without an answer after which an engine counts as away, not as slow."""

RECONNECT: Final = (0.25, 2.0)
"""The first and the longest pause before the engine is tried again."""


class DockerSource:
    """Reads the containers of one engine; away or back, it goes on where it was.

    `own` is the id of the container that Towline runs in.
    """

    def __init__(
        self,
        name: str,
        config: DockerConfig,
        around: Surroundings,
        *,
        own: tuple[str, ...] | None = None,
    ) -> None:
        self.name = name
        self.health = Health()
        self._url = config.url
        self._way = Way(config, around.folder)
        self._around = around
        self._chronicle = Chronicle(self._tell)
        self._waker = Waker()
        self._meter = Meter(config.stats)
        self._census = Census(
            name,
            Choice(config.include, config.exclude),
            around,
            self._deliver,
            self._chronicle,
            own=own_container_ids() if own is None else own,
            health=self.health,
            ways=partial(Ways, config.read, config.files, self._waker),
        )
        self._emit: Emit = _nowhere
        self._offset = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self, emit: Emit) -> None:
        """Until cancelled; an engine that is away is waited for."""
        self._emit = emit
        self._offset = emit(self._system, [])
        delay, longest = RECONNECT
        try:
            while True:
                begun = time.monotonic()
                reason = await self._session()
                self._away(reason)
                if time.monotonic() - begun > longest:
                    delay = RECONNECT[0]
                await asyncio.sleep(delay)
                delay = min(longest, delay * 2)
        finally:
            self._waker.close()
            self._hand_over()

    async def _session(self) -> str:
        """Be with the engine until it goes away; return why it did."""
        try:
            async with self._way.open() as address:
                return await self._with(Engine(address))
        except SourceError as exc:
            return str(exc)

    async def _with(self, engine: Engine) -> str:
        """Read its containers until it goes away; return why it did."""
        try:
            await engine.connect()
            lost = asyncio.Event()
            since = self._chronicle.since
            async with (
                events(engine.address, lost.set, since=since) as heard,
                asyncio.TaskGroup() as tasks,
            ):
                self._census.begin(engine, Attachments(tasks, self.health))
                look = asyncio.Event()
                watch = [
                    tasks.create_task(self._watch(heard, look), name="events"),
                    tasks.create_task(self._count(engine, look), name="census"),
                    tasks.create_task(self._listen(engine, look, lost), name="ping"),
                    tasks.create_task(self._meter.run(engine, self._census.running), name="usage"),
                ]
                await lost.wait()
                for task in (*watch, *(known.task for known in self._census if known.task)):
                    task.cancel()
        finally:
            self._census.end()
            engine.close()
        return self.health.reason or "its event stream ended"

    async def _watch(self, heard: Heard, look: asyncio.Event) -> None:
        """Heed events as they come."""
        counters = self.health.counters
        while True:
            event = await heard.next()
            counters["events"] += 1
            if heard.overrun:
                counters["events_dropped"] += heard.overrun
                heard.overrun = 0
                look.set()
            try:
                await self._census.heed(event)
            except SourceError:
                look.set()

    async def _count(self, engine: Engine, look: asyncio.Event) -> None:
        """Take the census at once, every ten seconds, and when something went amiss."""
        everyone = True
        while True:
            look.clear()
            pause = CENSUS
            try:
                await self._census.take(everyone=everyone)
            except SourceError as exc:
                self._away(str(exc))
                pause = RETRY_CENSUS
            else:
                everyone = False
                if self.health.state != State.UP:
                    about = {"source": self.name, "version": engine.version}
                    _log.info("engine reached", extra=about)
                self.health.up()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await look.wait()

    async def _listen(self, engine: Engine, look: asyncio.Event, lost: asyncio.Event) -> None:
        """Notice an engine that is there and does not answer."""
        failed_at = 0.0
        while True:
            await asyncio.sleep(PING)
            try:
                await engine.ping()
            except SourceError as exc:
                self._away(str(exc))
                failed_at = failed_at or time.monotonic()
                if time.monotonic() - failed_at > LOST:
                    lost.set()
            else:
                if failed_at:
                    failed_at = 0.0
                    look.set()

    def _away(self, reason: str) -> None:
        if self.health.state != State.DEGRADED:
            _log.warning("engine away", extra={"source": self.name, "reason": reason})
        self.health.degraded(f"engine at {self._url}: {reason}")

    def _deliver(self, known: Known, lines: list[Line]) -> None:
        known.emitted(self._offset)
        self._offset = self._emit(known.origin, lines)

    def _tell(self, origin: Origin, line: Line) -> None:
        """Docker's own word of a container, as a record of it."""
        self._offset = self._emit(origin, [line])

    @property
    def _system(self) -> Origin:
        device = self._around.device.id
        return Origin(type=OriginType.SYSTEM, name=self.name, device=device, source=self.name)

    def progress(self, *, final: bool = False) -> Progress:
        """Checkpoints that are due, for the store's upkeep."""
        checkpoints = self._around.checkpoints
        points: list[Checkpoint] = []
        asked: list[tuple[Known, int]] = []
        covered = self._emit(self._system, [])
        if checkpoints.tails:  # what these containers have in the store is beyond their checkpoints
            covered = min(covered, checkpoints.covered)
        for known in self._census:
            point = known.checkpoint(final=final, held=self._around.held(known.wrote))
            if point is not None:
                points.append(point)
                asked.append((known, point.seq))
            if point is None or point.seq < known.reading.position.seq:
                lowest = known.unsaved.lowest()
                covered = covered if lowest is None else min(covered, lowest)

        def saved() -> None:
            for known, seq in asked:
                known.saved(seq)
                checkpoints.caught_up(known.container.id, seq)

        return Progress(points, covered, saved)

    def rereads(self, origin: Origin) -> bool:
        """Whether a container is still there."""
        return self._census.has(origin.container_id or "")

    def go_back(self) -> None:
        """Forget how far containers are read: the next session finds out from what is on disk."""
        self._census.start_over()

    def _hand_over(self) -> None:
        """Tell the next reader (a reload makes one) what the store has beyond the checkpoints."""
        for known in self._census:
            position = known.reading.position
            point, tail = position.checkpoint(), position.tail()
            if tail is not None and (point is None or point.seq < tail.seq):
                self._around.checkpoints.hand_over(known.container.id, tail)

    async def attach(self, id_: str, service_id: int | None, service: str | None) -> None:
        """Read a container whatever the file excludes; `NotFound` when there is none."""
        await self._census.attach(self._census.find(id_), service_id, service)

    async def detach(self, id_: str) -> None:
        """Read it no more until it is attached again; `NotFound` when there is none."""
        await self._census.detach(self._census.find(id_))

    async def view(self, id_: str) -> None:
        """Somebody views a container; `NotFound` when there is none."""
        await self._census.view(self._census.find(id_))

    async def control(self, id_: str, what: str) -> None:
        """`start`, `stop` or `restart` a container; `NotFound`, `SourceError`."""
        await self._census.control(self._census.find(id_), what)

    def knows(self, id_: str) -> bool:
        """Whether this source has a container of that id or name."""
        with suppress(NotFound):
            self._census.find(id_)
            return True
        return False

    def containers(self) -> list[dict[str, Any]]:
        """What is known, for the API."""
        self._meter.ask()
        return self._census.as_json()


def _nowhere(origin: Origin, lines: list[Line]) -> int:
    return 0
