"""The Docker source: attaches to containers by itself and reads each of them whole and once."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from towline.config.kinds import Surroundings
from towline.config.settings import Match
from towline.errors import NotFound, SourceError, Unreadable
from towline.pipeline.match import Matcher, compile_match
from towline.ports import Emit
from towline.record import Line, Origin, OriginType, time_text
from towline.sources.docker.engine import Engine, Event, connect
from towline.sources.docker.follow import Reading
from towline.sources.docker.known import Known
from towline.sources.docker.origins import Container
from towline.sources.docker.position import Position
from towline.sources.docker.stream import Address, Stream, open_stream
from towline.status import Health, State
from towline.store.checkpoints import Checkpoint
from towline.store.upkeep import Progress

_log = logging.getLogger(__name__)
CENSUS: Final = 60.0
RECONNECT: Final = 2.0
RETRY: Final = 30.0
_FIRST_TIME = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerConfig:
    """How to reach an engine and which of its containers are read."""

    url: str
    read: str
    include: tuple[Match, ...]
    exclude: tuple[Match, ...]


class DockerSource:
    """Reads the containers of one engine; away or back, it goes on where it was."""

    def __init__(self, name: str, config: DockerConfig, around: Surroundings) -> None:
        self.name = name
        self.health = Health()
        self._config = config
        self._around = around
        self._address = Address.parse(config.url)
        self._include = [compile_match(match) for match in config.include]
        self._exclude = [compile_match(match) for match in config.exclude]
        self._known: dict[str, Known] = {}
        self._own = own_container_ids()
        self._engine: Engine | None = None
        self._tasks: asyncio.TaskGroup | None = None
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
        delay = _FIRST_TIME
        while True:
            try:
                await self._session()
                reason, delay = "the engine's event stream ended", _FIRST_TIME
            except SourceError as exc:
                reason = str(exc)
            if self.health.state != State.DEGRADED:
                _log.warning("engine away", extra={"source": self.name, "reason": reason})
            self.health.degraded(f"engine at {self._config.url} is away: {reason}")
            await asyncio.sleep(delay)
            delay = min(RECONNECT, delay * 2)

    async def _session(self) -> None:
        """Be with the engine until it goes away."""
        self._engine = engine = await connect(self._config.url)
        lost = asyncio.Event()
        try:
            async with engine.events(lost.set) as events, asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                watch = [
                    tasks.create_task(self._watch(engine, events)),
                    tasks.create_task(self._census(engine)),
                ]
                await lost.wait()
                for task in (*watch, *(k.task for k in self._known.values() if k.task)):
                    task.cancel()
        except* SourceError as group:
            raise SourceError(str(group.exceptions[0])) from group
        finally:
            self._tasks = None
            self._engine = None
            engine.close()

    async def _census(self, engine: Engine) -> None:
        """Compare with the engine's list at once and every minute: events get lost."""
        while True:
            listed = {found["Id"]: found for found in await engine.containers()}
            for id_ in self._known.keys() - listed.keys():
                self._forget(id_)
            for id_, found in listed.items():
                known = self._known.get(id_)
                if known is None or (found["State"] == "running" and not known.attached):
                    await self._meet(engine, id_)
            if self.health.state != State.UP:
                _log.info("engine reached", extra={"source": self.name, "version": engine.version})
            self.health.up()
            await asyncio.sleep(CENSUS)

    async def _watch(self, engine: Engine, events: asyncio.Queue[Event]) -> None:
        while True:
            event = await events.get()
            action = str(event.get("Action", ""))
            actor = event.get("Actor") or {}
            id_ = actor.get("ID", "")
            self.health.counters["events"] += 1
            if action == "destroy":
                self._forget(id_)
            elif action.startswith(
                ("start", "die", "rename", "health_status", "oom", "pause", "un")
            ):
                await self._meet(engine, id_)
            self._tell(action, actor.get("Attributes") or {})

    async def _meet(self, engine: Engine, id_: str) -> None:
        """Look at a container; begin to read it where that is wanted."""
        if id_.startswith(self._own):
            return
        try:
            container = await engine.inspect(id_)
        except NotFound:
            self.health.counters["missed_container"] += 1
            return
        origin = container.origin(device=self._around.device.id, engine=engine.id, source=self.name)
        known = self._known.get(id_)
        if known is None:
            known = self._known[id_] = self._new(engine, container, origin)
        if known.origin != origin:
            known.origin = origin if known.wanted is None else _keep_service(origin, known.origin)
        known.container = container
        if self._wanted(known):
            self._start(known)

    def _wanted(self, known: Known) -> bool:
        if known.wanted is not None:
            return known.wanted
        fits = any(_holds(matcher, known.origin) for matcher in self._include)
        return fits and not any(_holds(matcher, known.origin) for matcher in self._exclude)

    def _new(self, engine: Engine, container: Container, origin: Origin) -> Known:
        checkpoints = self._around.checkpoints
        point = checkpoints.get(engine.id, container.id)
        position = Position(
            engine.id,
            container.id,
            terminal=container.terminal,
            first_since=first_since(container.created, self._around.max_age),
            checkpoint=point,
            tail=checkpoints.tails.get(container.id),
        )
        if point is None and self._may_begin(container, origin):
            checkpoints.begin(
                Checkpoint(
                    engine=engine.id,
                    container=container.id,
                    seq=0,
                    since=position.first_since,
                    rows=(),
                )
            )
        known: Known

        async def running() -> bool:
            if self._engine is None:
                raise SourceError("the engine is away")
            with suppress(NotFound):
                known.container = await self._engine.inspect(container.id)
                return known.container.running
            return False

        def deliver(lines: list[Line]) -> None:
            known.emitted(self._offset)
            self._offset = self._emit(known.origin, lines)

        reading = Reading(
            position,
            deliver,
            lambda query, feed: self._open(container.id, query, feed),
            running,
            terminal=container.terminal,
            rotated=container.rotated,
            filters_since=engine.api >= (1, 42),
        )
        known = Known(container, origin, reading)
        return known

    def _may_begin(self, container: Container, origin: Origin) -> bool:
        return container.driver != "none" and bool(origin.container_id)

    async def _open(self, id_: str, query: str, feed: Callable[[bytes], None]) -> Stream:
        engine = self._engine
        if engine is None:
            raise SourceError("the engine is away")
        version = "{}.{}".format(*engine.api)
        target = f"/v{version}/containers/{id_}/logs?stdout=1&stderr=1&timestamps=1&{query}"
        return await open_stream(self._address, target, feed)

    def _start(self, known: Known) -> None:
        if known.attached:
            known.again = True
        elif self._tasks is not None:
            known.task = self._tasks.create_task(self._read(known), name=known.container.name)

    async def _read(self, known: Known) -> None:
        """Read one container until it is finished; a fault is tried again, slower each time."""
        delay = 1.0
        while True:
            known.again = False
            try:
                await known.reading.run()
            except Unreadable as exc:
                known.fault = str(exc)
                self.health.counters["unreadable"] += 1
                _log.warning(
                    "log cannot be read",
                    extra={"container": known.container.name, "reason": known.fault},
                )
                return
            except (SourceError, ValueError) as exc:
                known.fault = str(exc)
                known.reading.counters["errors"] += 1
                _log.debug(
                    "reading failed",
                    extra={"container": known.container.name, "reason": known.fault},
                )
                await asyncio.sleep(delay)
                delay = min(RETRY, delay * 2)
            else:
                known.fault = ""
                if not known.again:
                    return

    def _forget(self, id_: str) -> None:
        known = self._known.get(id_)
        if known is None:
            return
        if known.attached:  # it ends by itself once what was left is read
            known.container = replace(known.container, running=False)
            assert known.task is not None
            known.task.add_done_callback(lambda _: self._known.pop(id_, None))
        else:
            del self._known[id_]
        self._around.checkpoints.forget(known.reading.position.engine, id_)

    def progress(self, *, final: bool = False) -> Progress:
        """Checkpoints that are due, for the store's upkeep."""
        points: list[Checkpoint] = []
        covered = self._offset
        for known in self._known.values():
            point = known.checkpoint(final=final)
            if point is not None:
                points.append(point)
            lowest = known.lowest_unsaved()
            if lowest is not None:
                covered = min(covered, lowest)
        return Progress(points, covered, self._saved)

    def _saved(self) -> None:
        for known in self._known.values():
            known.saved()

    async def attach(self, id_: str, service_id: int | None, service: str | None) -> None:
        """Read a container whatever the file excludes; `NotFound` when there is none."""
        known = self._find(id_)
        known.wanted = True
        known.origin = replace(
            known.origin,
            service_id=known.origin.service_id if service_id is None else service_id,
            service=service or known.origin.service,
        )
        self._start(known)

    async def detach(self, id_: str) -> None:
        """Read it no more until it is attached again; `NotFound` when there is none."""
        known = self._find(id_)
        known.wanted = False
        if known.task is not None and known.attached:
            known.task.cancel()
            await asyncio.wait([known.task])

    def _find(self, id_: str) -> Known:
        for known in self._known.values():
            container = known.container
            if id_ in (container.id, container.name) or (
                len(id_) >= 12 and container.id.startswith(id_)
            ):
                return known
        raise NotFound(f"no container {id_!r}")

    def knows(self, id_: str) -> bool:
        """Whether this source has a container of that id or name."""
        with suppress(NotFound):
            self._find(id_)
            return True
        return False

    def containers(self) -> list[dict[str, Any]]:
        """What is known, for the API."""
        return [known.as_json(self.name) for known in self._known.values()]

    @property
    def _system(self) -> Origin:
        return Origin(
            type=OriginType.SYSTEM, name=self.name, device=self._around.device.id, source=self.name
        )

    def _tell(self, action: str, attributes: Mapping[str, str]) -> None:
        """Docker's own word of a container, as a system record."""
        name = attributes.get("name", "")
        words = _WORDS.get(action)
        if words is None or name in self._own:
            return
        level, text = words
        code = attributes.get("exitCode", "")
        if action == "die":
            level = "info" if code in ("0", "143") else "error"
        now = time.time_ns()
        line = Line(
            text.format(name=name, code=code),
            time_text(now),
            now // 1_000_000,
            level=level,
            system=True,
        )
        self._offset = self._emit(self._system, [line])


_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "start": ("info", "container {name} started"),
    "die": ("error", "container {name} exited with code {code}"),
    "oom": ("error", "container {name} ran out of memory"),
    "health_status: unhealthy": ("error", "container {name} is unhealthy"),
    "health_status: healthy": ("info", "container {name} is healthy"),
    "destroy": ("info", "container {name} was removed"),
}


def _nowhere(origin: Origin, lines: list[Line]) -> int:
    return 0


def _holds(matcher: Matcher, origin: Origin) -> bool:
    return matcher.of(origin) is True


def _keep_service(origin: Origin, before: Origin) -> Origin:
    return replace(origin, service=before.service, service_id=before.service_id)


def first_since(created: str, max_age: float, *, now: Callable[[], float] = time.time) -> str:
    """Where to begin with a container never seen: what retention would drop at once is not read.

    Empty (from the beginning) for a container younger than that: passing over rows costs Docker a
    look at each of them.
    """
    horizon = now() - max_age
    with suppress(ValueError):
        if datetime.fromisoformat(created[:19] + "+00:00").timestamp() >= horizon:
            return ""
    return f"{int(horizon)}.000000000"


def own_container_ids() -> tuple[str, ...]:
    """The id of the container that Towline itself runs in, if it does."""
    found = set()
    for path in ("/proc/self/mountinfo", "/proc/self/cgroup"):
        with suppress(OSError):
            text = Path(path).read_text()
            found |= set(re.findall(r"/containers/([0-9a-f]{64})/", text))
            found |= set(re.findall(r"docker[-/]([0-9a-f]{64})", text))
    return tuple(found)
