"""The program: the only place that knows every concrete class, the environment and the folders."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from towline import __version__
from towline.config.kinds import Surroundings
from towline.config.settings import Device, Settings
from towline.config.watch import changes
from towline.delivery.dead import DeadLetters
from towline.delivery.delivery import Delivery
from towline.delivery.router import Router
from towline.errors import ConfigError, NotFound, Problem, StartError, sole
from towline.kinds import BACKENDS, SOURCES
from towline.own_log import TOLD, StoreHandler
from towline.pipeline.pipeline import Pipeline
from towline.ports import Component, Queryable
from towline.record import OriginType, record_id
from towline.runtime.configuration import Configuration, Followed, Options
from towline.runtime.diff import Spec, Specs
from towline.runtime.intake import Intake, PipelinePart, SourcePart
from towline.runtime.planning import check, planned, routing
from towline.runtime.reconcile import Lookup, Reconciler
from towline.runtime.reload import Applied, Outcome, Refused
from towline.runtime.reloader import Reloader
from towline.runtime.routes import RoutesPart
from towline.runtime.specs import specs
from towline.status import Reports, State
from towline.store.log import Store
from towline.store.upkeep import Ledger, Upkeep

if TYPE_CHECKING:
    from towline.config.git import GitSettings
    from towline.gitops.sync import GitSync

_log = logging.getLogger(__name__)


class Towline:
    """A running Towline, as the API sees it."""

    version = __version__

    def __init__(self, options: Options) -> None:
        self._configuration = Configuration(options, SOURCES, BACKENDS)
        self._environment = options.environment
        self._sync: GitSync | None = None
        self._router = Router()
        self._editing = asyncio.Lock()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop`; start-up is a reload from nothing, shut-down one to nothing.

        `StoreError` or `StartError` when the data folder or the port cannot be had.
        """
        text, settings, problems = self._configuration.first()
        async with (
            Store(settings.store, memory=settings.upkeep.memory) as store,
            AsyncExitStack() as stack,
        ):
            if store.persistent:
                self._configuration.at_home(store.path)
            if settings.git:
                settings, found = await self._follow(settings.git, settings, stack)
                problems += found
            self.store = store
            self._ledger = Ledger(self.store)
            pipeline = Pipeline(settings.pipeline)
            self._intake = Intake(self.store, pipeline, settings.device.id)
            with StoreHandler(partial(self._intake.tell, OriginType.SYSTEM)):
                await self._serve(text, settings, problems)

    async def _follow(
        self, git: GitSettings, own: Settings, stack: AsyncExitStack
    ) -> tuple[Settings, tuple[Problem, ...]]:
        """Begin with the last commit that ran: no remote is waited for."""
        from towline.runtime.following import following  # most follow no repository

        self._sync = following(
            git,
            own,
            self._configuration,
            reload=self.reload_file,
            tell=lambda text, level: self._intake.tell(OriginType.MANAGER, text, level),
            environment=self._environment,
        )
        await stack.enter_async_context(self._sync)
        return self._configuration.follow(Followed(self._sync.file, self._sync.root, own))

    async def _serve(
        self, text: bytes | None, settings: Settings, problems: tuple[Problem, ...]
    ) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reconciler = Reconciler(tasks, self._build)
                self._reloader = Reloader(
                    tasks, self._configuration, self._reconciler, self, settings
                )
                self._listen_to_signals()
                await self._begin(text, problems)
                watching = [tasks.create_task(self._watch())]
                if self._sync:
                    watching.append(tasks.create_task(self._sync.run(), name="git"))
                await self._stop.wait()
                for task in watching:
                    task.cancel()
                self._intake.tell(OriginType.SYSTEM, "Towline stops")
                _log.info("Towline stops")
                await self._reloader.stop()
        except BaseExceptionGroup as group:
            if (failure := sole(group, StartError)) is None:
                raise
            raise failure from group

    def stop(self) -> None:
        """Let `run` come to an end; what is held is delivered first."""
        self._stop.set()

    async def _begin(self, text: bytes | None, problems: tuple[Problem, ...]) -> None:
        plan = await self._reloader.begin()
        settings = self._settings
        self._intake.tell(OriginType.SYSTEM, f"Towline {__version__} started")
        about = {
            "version": __version__,
            "config": self._configuration.name,
            "data": str(settings.store.path),
            "api": f"http://{settings.api.host}:{settings.api.port}",
        }
        _log.info("Towline started", extra=about)
        if problems:
            self.tell(Refused(problems), "start")
        else:
            self._configuration.ended(Applied(plan), "start")
            self._configuration.keep(text)
        self._configuration.save_history()

    async def _watch(self) -> None:
        async for _ in changes(lambda: self._configuration.watched, self._stop):
            await asyncio.shield(self._reloader.attempt("file").decided)

    def _listen_to_signals(self) -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        if not self._stop.is_set():
            self._reloader.attempt("signal")

    async def reload_file(self, actor: str = "file") -> Outcome:
        """Read the file again and bring it into force, or leave everything as it was."""
        return await asyncio.shield(self._reloader.attempt(actor).ended)

    # what reloads ask: towline.runtime.reloader.Owner

    def specs(self, settings: Settings) -> Specs:
        """What should run."""
        return specs(settings, SOURCES, BACKENDS)

    def in_force(self, settings: Settings) -> None:
        """From now on these settings hold."""
        self._intake.device = settings.device.id

    def tell(self, outcome: Outcome, actor: str) -> None:
        """Say how an attempt ended, unless there was nothing to change and nothing to mend."""
        good = isinstance(outcome, Applied)
        if isinstance(outcome, Applied) and not outcome.plan and self._configuration.is_well:
            return
        self._configuration.ended(outcome, actor)
        self._intake.tell(OriginType.MANAGER, str(outcome), "info" if good else "error")
        if good:
            _log.info("configuration applied", extra={"outcome": str(outcome)})
        else:
            _log.error("configuration not applied", extra={"outcome": str(outcome), **TOLD})

    def _build(self, spec: Spec, lookup: Lookup) -> Component:
        """The component of a spec: nothing is opened yet."""
        room, _, name = spec.key.partition(".")
        config: Any = spec.config
        around = Surroundings(
            device=self._settings.device,
            lookup=lookup,
            checkpoints=self.store.checkpoints,
            max_age=self._settings.upkeep.max_age,
        )
        match room:
            case "brokers":
                from towline.broker.connection import Connection  # paho costs 3 MB

                return Connection(name, config.own, config.device.id)
            case "backends":
                backend = BACKENDS[config.type].open(name, config.config, around)
                dead = DeadLetters(self.store.path / "dead", name)
                return Delivery(name, backend, self.store, self._router, dead)
            case "sources":
                entry = config.own
                source = SOURCES[entry.type].open(name, entry.config, around)
                return SourcePart(source, self._intake.emit, self._ledger)
            case "pipeline":
                return PipelinePart(self._intake, config)
            case "routes":
                return RoutesPart(self._router, config)
            case "retention":
                return Upkeep(self.store, self._ledger, config)
            case _:
                from towline.api.server import ApiServer

                before = self._reconciler.component("api")
                return ApiServer(config[1], self, before=before)

    # what the API asks: towline.api.ports.Towline

    @property
    def _settings(self) -> Settings:
        return self._reloader.settings

    @property
    def device(self) -> Device:
        """This Towline."""
        return self._settings.device

    def status(self) -> dict[str, dict[str, Any]]:
        """Every component by its key."""
        found = {
            "configuration": self._configuration.health.as_json(),
            "store": self.store.health.as_json(),
        }
        if self._sync:
            found["git"] = self._sync.health.as_json() | {"git": self._sync.status()}
        for key, slot in self._reconciler.slots.items():
            if isinstance(slot.component, Reports):
                found[key] = slot.component.health.as_json() | {"restarts": slot.restarts}
        return found

    def parts(self) -> dict[str, Component]:
        """The running components by key: what a reload has not touched is the very same object."""
        slots = self._reconciler.slots.items()
        return {key: slot.component for key, slot in slots if slot.component is not None}

    def ready(self) -> bool:
        """Whether every enabled component is up."""
        return all(part["state"] == State.UP for part in self.status().values())

    def containers(self) -> list[dict[str, Any]]:
        """Containers that sources know."""
        return [row for source in self._docker() for row in source.containers()]

    def sources(self) -> list[dict[str, Any]]:
        """Sources and how they are."""
        return [
            {"name": name, "type": entry.type, **self._health(f"sources.{name}")}
            for name, entry in self._settings.sources.items()
        ]

    def backends(self) -> list[dict[str, Any]]:
        """Backends, how they are and how far they got."""
        rows = []
        for name, entry in self._settings.backends.items():
            delivery = self._reconciler.component(f"backends.{name}")
            if isinstance(delivery, Delivery):
                about = {
                    "name": name,
                    "type": entry.type,
                    "queryable": isinstance(delivery.backend, Queryable),
                    "cursor": record_id(delivery.cursor),
                    "lag": delivery.lag,
                }
                rows.append(about | delivery.health.as_json())
        return rows

    def backend(self, name: str) -> object:
        """The running backend of a name."""
        delivery = self._reconciler.component(f"backends.{name}")
        if not isinstance(delivery, Delivery):
            raise NotFound(f"no backend {name!r}")
        return delivery.backend

    async def attach(
        self, container_id: str, service_id: int | None, service_name: str | None
    ) -> None:
        """Read a container's log whatever the file says."""
        await self._source_of(container_id).attach(container_id, service_id, service_name)

    async def detach(self, container_id: str) -> None:
        """Stop reading a container's log."""
        await self._source_of(container_id).detach(container_id)

    async def reload(self) -> dict[str, Any]:
        """Read the file again; `ConfigError` when it is at fault. A repository is asked at once."""
        if self._sync:
            self._sync.wake()
        return await self._reload("api")

    async def _reload(self, actor: str) -> dict[str, Any]:
        # not to the end of it: an API that is replaced ends once those who ask have their answer
        outcome = await asyncio.shield(self._reloader.attempt(actor).decided)
        if isinstance(outcome, Refused):
            raise ConfigError(outcome.problems)
        return outcome.as_json()

    def config_text(self) -> str:
        """The file as written."""
        return self._configuration.text()

    async def edit(self, text: bytes, etag: str, actor: str) -> dict[str, Any]:
        """Put another text in the file and bring it into force."""
        async with self._editing:
            await asyncio.to_thread(self._configuration.replace, text, etag)
            return await self._reload(actor)

    async def check(self, text: bytes, called: str) -> tuple[Problem, ...]:
        """Every problem that a text would have in the file's place."""
        return await check(self._configuration, text, called)

    async def plan(self, text: bytes, called: str) -> dict[str, Any]:
        """What a text would start, change and stop in the file's place."""
        wanted = await asyncio.to_thread(self._configuration.tried, text, called)
        running, present = self._reconciler.specs, self._settings
        return planned(running, present, wanted, SOURCES, BACKENDS).as_json()

    def routing(self) -> dict[str, Any]:
        """Backends and routes in force."""
        return routing(self._settings)

    def config_history(self) -> list[dict[str, Any]]:
        """How attempts to change the configuration ended, newest first."""
        return self._configuration.history.entries

    def _health(self, key: str) -> dict[str, Any]:
        component = self._reconciler.component(key)
        return component.health.as_json() if isinstance(component, Reports) else {}

    def _docker(self) -> list[Any]:
        """Running sources of containers."""
        parts = [
            slot.component
            for key, slot in self._reconciler.slots.items()
            if key.startswith("sources.")
        ]
        found = [part.source for part in parts if isinstance(part, SourcePart)]
        return [source for source in found if hasattr(source, "containers")]

    def _source_of(self, container_id: str) -> Any:
        for source in self._docker():
            if source.knows(container_id):
                return source
        raise NotFound(f"no container {container_id!r}")
