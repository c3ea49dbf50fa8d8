"""Towline from code: a store of one's own, without the API, brokers and backends.

async with towline.open_store("data") as log:
    log.system("backup began")
    await log.attach("web")
    page = await log.query(service="web", min_level="warn", since="1h")
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

from towline.api.asked import FILTERS, Asked
from towline.config.kinds import Surroundings
from towline.config.load import load
from towline.config.settings import Settings
from towline.errors import NotFound, SourceError
from towline.kinds import SOURCES
from towline.pipeline.pipeline import Pipeline
from towline.record import LEVELS, OriginType, Record
from towline.runtime.diff import Spec
from towline.runtime.intake import Intake, SourcePart
from towline.runtime.reconcile import Lookup, Reconciler
from towline.sources.docker import LOCAL
from towline.status import Health, State
from towline.store.log import Store
from towline.store.query import Filter, Page, Query
from towline.store.reader import Reader
from towline.store.upkeep import Ledger, Upkeep

Names = str | Sequence[str]
_LOOK: Final = 0.1
_PATIENCE: Final = 2.0
"""Seconds within which an engine has told of a container that was just made."""

_TAKE: Final = 1000


class Filters(TypedDict, total=False):
    """Which records. Names are shell patterns; of several values one must hold.

    `name` is whatever people call a container: its name, id or service. `text` and `without`
    occur, or do not occur, in the message; `regex` is RE2's. `since` and `until` are a duration
    ("1h": that long ago), RFC 3339, a datetime, or milliseconds since the epoch.
    """

    name: Names
    service: Names
    service_id: int
    container: Names
    project: Names
    app: Names
    device: Names
    level: Names
    min_level: str
    source_type: Names
    stream: str
    regex: str
    text: str
    without: str
    since: str | int | datetime
    until: str | int | datetime


_API: Final = {
    "service": "serviceName",
    "service_id": "serviceId",
    "min_level": "minLevel",
    "source_type": "sourceType",
    "without": "not",
}


class Log:
    """An open store: write records, attach containers, query, clean up."""

    def __init__(self, store: Store, settings: Settings, tasks: asyncio.TaskGroup) -> None:
        self.store = store
        self._settings = settings
        self._intake = Intake(store, Pipeline(settings.pipeline), settings.device.id)
        self._ledger = Ledger(store)
        self._reconciler = Reconciler(tasks, self._build)

    def system(self, text: str, *, level: str = "info") -> None:
        """Write a record of what happens to the system: a backup, a restart, a fault."""
        self._tell(OriginType.SYSTEM, text, level)

    def manager(self, text: str, *, level: str = "info") -> None:
        """Write a record of a change to what is wanted: configuration, state."""
        self._tell(OriginType.MANAGER, text, level)

    def _tell(self, kind: OriginType, text: str, level: str) -> None:
        if level not in LEVELS:
            raise ValueError(f"expected one of {', '.join(LEVELS)}, not {level!r}")
        self._intake.tell(kind, text, level)

    async def attach(
        self,
        container: str,
        *,
        docker: str = LOCAL,
        service: str | None = None,
        service_id: int | None = None,
    ) -> None:
        """Read a container's log, by name or id, from the beginning or where it was left off.

        It is followed over restarts until `detach` or the end of the store. `NotFound` when there
        is no such container, `SourceError` when the engine is away, `ConfigError` for an address
        that is none.
        """
        source = await self._source(docker)
        try:
            async with asyncio.timeout(_PATIENCE):
                while not source.knows(container):
                    with suppress(TimeoutError):  # it may be met without a word in the store
                        async with asyncio.timeout(_LOOK):
                            await self.store.appended()
        except TimeoutError:
            raise NotFound(f"no container {container!r} at {docker}") from None
        await source.attach(container, service_id, service)

    async def detach(self, container: str, *, docker: str = LOCAL) -> None:
        """Read a container's log no more; `NotFound` when there is no such container."""
        await (await self._source(docker)).detach(container)

    async def _source(self, url: str) -> Any:
        """The running source of an engine that has been reached."""
        key = f"sources.{url}"
        if key not in self._reconciler.specs:
            entry = {"type": "docker", "url": url, "include": []}
            made = _settings(self._settings.store.path, sources={"docker": entry})
            spec = Spec(key=key, config=made.sources["docker"])
            await self._reconciler.apply({**self._reconciler.specs, key: spec})
        source = self._reconciler.component(key).source
        await _settled(source.health)
        if source.health.state != State.UP:
            raise SourceError(source.health.reason)
        return source

    async def query(
        self,
        *,
        limit: int = 100,
        newest_first: bool = True,
        after: int | None = None,
        before: int | None = None,
        **filters: Unpack[Filters],
    ) -> Page:
        """A page of records. Its `next` goes into `before` (or `after`, oldest first)."""
        query = replace(_query(filters), limit=max(limit, 1), newest_first=newest_first)
        return await self.store.query(replace(query, after=after, before=before))

    async def count(self, **filters: Unpack[Filters]) -> int:
        """How many records there are."""
        return await self.store.count(_query(filters))

    def follow(self, **filters: Unpack[Filters]) -> AsyncIterator[Record]:
        """Every record that comes from this call on, until you stop asking."""
        reader = self.store.reader(self.store.next_offset)
        return self._records(reader, Filter(_query(filters)))

    async def _records(self, reader: Reader, keep: Filter) -> AsyncIterator[Record]:
        while True:
            await reader.wait()
            for record in await reader.take(_TAKE):
                if keep(record):
                    yield record

    async def clean_up(self, *, max_age: str | None = None, max_size: str | None = None) -> int:
        """Remove what is older ("24h") or more ("1GB") than that; how many records went.

        Whole files are removed: those in which every record is too old, the oldest first.
        """
        upkeep = _settings(self._settings.store.path, max_age=max_age, max_size=max_size).upkeep
        return await Upkeep(self.store, self._ledger, upkeep).clean()

    async def sync(self) -> None:
        """Return once everything written so far is safe from a power cut."""
        await self._ledger.save()

    def _build(self, spec: Spec, lookup: Lookup) -> Any:
        config: Any = spec.config
        if spec.key == "retention":
            return Upkeep(self.store, self._ledger, config)
        around = Surroundings(
            device=self._settings.device,
            lookup=lookup,
            checkpoints=self.store.checkpoints,
            max_age=self._settings.upkeep.longest_age,
            held=self._intake.held,
        )
        source = SOURCES[config.type].open(config.type, config.config, around)
        return SourcePart(source, self._intake, self._ledger)

    async def _begin(self) -> None:
        """Sync and clean up by itself from now on."""
        spec = Spec(key="retention", config=self._settings.upkeep)
        await self._reconciler.apply({spec.key: spec})

    async def _end(self) -> None:
        """Stop reading; put on record how far that came."""
        await self._reconciler.apply({})


@asynccontextmanager
async def open_store(
    path: str | Path,
    *,
    device: str | None = None,
    max_age: str | None = None,
    max_size: str | None = None,
) -> AsyncIterator[Log]:
    """Open the store in a folder, made if need be; what is not given is as without a file.

    `StoreError` when the folder cannot be used or a running Towline has it, `ConfigError` for a
    value that cannot be one. Records older than `max_age` or more than `max_size` are removed
    every hour.
    """
    settings = _settings(path, device=device, max_age=max_age, max_size=max_size)
    async with (
        Store(settings.store, memory=settings.upkeep.memory) as store,
        _supervised() as tasks,
    ):
        log = Log(store, settings, tasks)
        await log._begin()
        try:
            yield log
        finally:
            await log._end()


@asynccontextmanager
async def _supervised() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group held by a task of its own: the caller's exceptions stay what they are."""
    ready: asyncio.Future[asyncio.TaskGroup] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def hold() -> None:
        async with asyncio.TaskGroup() as tasks:
            ready.set_result(tasks)
            await over.wait()

    holder = asyncio.create_task(hold(), name="towline store")
    try:
        yield await ready
    finally:
        over.set()
        await holder


async def _settled(health: Health) -> None:
    """Until a component has said for the first time whether it is well."""
    if health.state == State.STARTING:
        said = asyncio.Event()
        health.on_change = lambda _: said.set()
        await said.wait()


def _settings(
    path: str | Path,
    *,
    device: str | None = None,
    max_age: str | None = None,
    max_size: str | None = None,
    sources: dict[str, Any] | None = None,
) -> Settings:
    """Settings as a file of these values would give them: defaults and checks are the schema's."""
    retention = {"max_age": max_age, "max_size": max_size}
    given = {key: value for key, value in retention.items() if value is not None}
    data = {
        "version": 1,
        "device": {"id": device} if device is not None else {},
        "store": {"path": str(path), "retention": given},
        "sources": sources or {},
    }
    return load(json.dumps(data), SOURCES, {}, host_name=socket.gethostname())


def _query(filters: Filters) -> Query:
    """Filters as the API's parameters, so that both mean the same; `QueryError` where wrong."""
    return Asked(_pairs(dict(filters)), FILTERS).filters()


def _pairs(filters: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for key, value in filters.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            shown = item.astimezone().isoformat() if isinstance(item, datetime) else str(item)
            pairs.append((_API.get(key, key), shown))
    return pairs
