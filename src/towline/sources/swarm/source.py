"""The Swarm source: services of a whole Swarm, as far as their tasks are on other nodes."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from towline.config.kinds import Surroundings
from towline.config.settings import Match
from towline.errors import SourceError
from towline.ports import Emit
from towline.record import Line, Origin, time_text
from towline.sources.docker.address import Address
from towline.sources.docker.choice import Choice
from towline.sources.docker.reach import Reach, Way
from towline.sources.docker.stream import fetch
from towline.sources.swarm.reading import ServiceReading
from towline.sources.swarm.tasks import Service, Task
from towline.status import Health, State

_log = logging.getLogger(__name__)

SURVEY: Final = 10.0
"""Seconds between two looks at services and tasks."""

ENDED: Final = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
"""States of tasks that are over (moby api/types/swarm/task.go)."""

PATIENCE: Final = 10.0
RETRY: Final = 5.0
WAITING: Final = 1000
"""Batches of tasks that no survey has shown yet; the oldest go, and are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmConfig(Reach):
    """Which services are read. `local`: tasks on the manager's own node, too."""

    local: bool
    include: tuple[Match, ...]
    exclude: tuple[Match, ...]


class SwarmSource:
    """Reads every chosen service through one manager; it goes on when that is back."""

    def __init__(self, name: str, config: SwarmConfig, around: Surroundings) -> None:
        self.name = name
        self.health = Health()
        self._config = config
        self._way = Way(config, around.folder)
        self._device = around.device.id
        self._choice = Choice(config.include, config.exclude)
        self._since = time_text(time.time_ns())
        self._readings: dict[str, ServiceReading] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: dict[str, Task] = {}
        self._waiting: deque[tuple[str, list[Line]]] = deque()
        self._look = asyncio.Event()
        self._node = self._swarm = ""
        self._emit: Emit | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self, emit: Emit) -> None:
        """Until cancelled; a manager that is away is waited for."""
        self._emit = emit
        while True:
            try:
                async with self._way.open() as address:
                    await self._session(address)
            except SourceError as exc:
                if self.health.state != State.DEGRADED:
                    _log.warning("manager away", extra={"source": self.name, "reason": str(exc)})
                self.health.degraded(f"manager at {self._config.url}: {exc}")
            await asyncio.sleep(RETRY)

    async def _session(self, address: Address) -> None:
        """Look at the Swarm again and again; `SourceError` when that cannot be done."""
        await self._introduce(address)
        async with asyncio.TaskGroup() as group:
            failure: SourceError | None = None
            while failure is None:
                self._look.clear()
                try:
                    await self._survey(address, group)
                    self.health.up()
                except SourceError as exc:
                    failure = exc
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(SURVEY):
                        await self._look.wait()
            self._let_go(set(self._running))
        raise failure

    async def _introduce(self, address: Address) -> None:
        """Learn which Swarm it is; `SourceError` where it is no manager of one."""
        swarm = (await _asked(address, "/info")).get("Swarm") or {}
        if not swarm.get("ControlAvailable"):
            state = swarm.get("LocalNodeState") or "inactive"
            which = "a worker" if state == "active" else "in no Swarm"
            raise SourceError(f"it is {which}: services are told by a manager only")
        self._node = swarm.get("NodeID") or ""
        self._swarm = (swarm.get("Cluster") or {}).get("ID") or self._config.url

    async def _survey(self, address: Address, group: asyncio.TaskGroup) -> None:
        services = {row["ID"]: Service.parse(row) for row in await _asked(address, "/services")}
        tasks = [Task.parse(row) for row in await _asked(address, "/tasks")]
        self._tasks = {task.id: task for task in tasks}
        wanted = {
            task.service
            for task in tasks
            if (service := services.get(task.service)) and self._wants(task, service)
        }
        self._let_go(self._running.keys() - wanted)
        for id_ in wanted - self._running.keys():
            reading = self._readings.get(id_)
            if reading is None:
                reading = ServiceReading(services[id_], self._since, self._take, self.health)
                self._readings[id_] = reading
            self._running[id_] = group.create_task(reading.run(address), name=f"service {id_}")
        for id_ in self._readings.keys() - services.keys():
            del self._readings[id_]
        for reading in self._readings.values():
            reading.forget(reading.tasks - self._tasks.keys())
        waiting, self._waiting = self._waiting, deque()
        for task_id, lines in waiting:
            self._take(task_id, lines, last=True)

    def _wants(self, task: Task, service: Service) -> bool:
        is_elsewhere = bool(task.node) and task.node != self._node
        return (is_elsewhere or self._config.local) and self._choice(self._origin(task, service))

    def _let_go(self, ids: set[str]) -> None:
        for id_ in ids:
            self._running.pop(id_).cancel()

    def _origin(self, task: Task, service: Service) -> Origin:
        return task.origin(service, device=self._device, swarm=self._swarm, source=self.name)

    def _take(self, task_id: str, lines: list[Line], last: bool = False) -> None:
        """Hand lines of a task on; one that is new is looked for first."""
        task = self._tasks.get(task_id)
        reading = self._readings.get(task.service) if task else None
        if task is not None and reading is not None:
            if self._wants(task, reading.service) and self._emit is not None:
                self.health.counters["lines"] += len(lines)
                self._emit(self._origin(task, reading.service), lines)
        elif last:
            self.health.counters["unattributed"] += len(lines)
        else:
            self._waiting.append((task_id, lines))
            if len(self._waiting) > WAITING:
                self.health.counters["unattributed"] += len(self._waiting.popleft()[1])
            self._look.set()

    def knows(self, id_: str) -> bool:
        """Nothing of a container on another node can be changed from here."""
        return False

    def containers(self) -> list[dict[str, Any]]:
        """Tasks that are read here, as containers, for the API."""
        rows = []
        for task in self._tasks.values():
            reading = self._readings.get(task.service)
            if reading and task.state not in ENDED and self._wants(task, reading.service):
                origin = self._origin(task, reading.service)
                rows.append(_as_json(origin, task, reading.fault, task.service in self._running))
        return rows


def _as_json(origin: Origin, task: Task, fault: str, attached: bool) -> dict[str, Any]:
    return {
        "id": origin.container_id or task.id,
        "name": origin.container,
        "device": origin.device,
        "origin": origin.name,
        "image": origin.image,
        "source": origin.source,
        "app": origin.app,
        "project": origin.project,
        "serviceName": origin.service,
        "state": task.state,
        "running": task.state == "running",
        "attached": attached,
        "excluded": False,
        "log": {"read": "service", "fault": fault or None},
    }


async def _asked(address: Address, target: str) -> Any:
    """What the manager answers; `SourceError` where that is no JSON either."""
    try:
        return json.loads(await fetch(address, target, PATIENCE))
    except ValueError as exc:
        raise SourceError(f"not an answer of an engine: {target}") from exc
