"""The program: what is put together once, the way from start to stop, what the API asks."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from towline import __version__
from towline.audit.trail import Trail
from towline.config.settings import Device, Settings
from towline.delivery.delivery import Delivery
from towline.delivery.router import Router
from towline.errors import Problem, StartError, sole
from towline.kinds import BACKENDS, SOURCES
from towline.own_log import TOLD, StoreHandler
from towline.parts import Ground, build
from towline.pipeline.pipeline import Pipeline
from towline.ports import Component
from towline.record import OriginType
from towline.runtime.brokers import Brokers
from towline.runtime.changing import Changing
from towline.runtime.configuration import Configuration, Options
from towline.runtime.diff import Spec, Specs
from towline.runtime.intake import Intake
from towline.runtime.operations import Operations
from towline.runtime.overview import Overview
from towline.runtime.planning import check, routing
from towline.runtime.reconcile import Reconciler
from towline.runtime.reload import Applied, Outcome, Refused
from towline.runtime.reloader import Reloader
from towline.runtime.specs import specs
from towline.runtime.triggers import Triggers
from towline.status import State
from towline.store.log import Store
from towline.store.query import Query
from towline.store.removal import remove
from towline.store.upkeep import Ledger

if TYPE_CHECKING:
    from towline.config.git import GitSettings
    from towline.homeassistant.hosting import Hosting
    from towline.runtime.following import Following

_log = logging.getLogger(__name__)


class Towline:
    """A running Towline, as the API sees it."""

    version = __version__

    def __init__(self, options: Options, hosting: Hosting | None = None) -> None:
        self._hosting = hosting
        self._configuration = Configuration(options, SOURCES, BACKENDS)
        self._environment = options.environment
        self._following: Following | None = None
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
            trail = Trail(store.path if store.persistent else None)
            self.audit = await stack.enter_async_context(trail)
            self.store = store
            self._ledger = Ledger(store)
            pipeline = Pipeline(settings.pipeline)
            self._intake = Intake(self.store, pipeline, settings.device.id)
            with StoreHandler(partial(self._intake.tell, OriginType.SYSTEM)):
                await self._serve(text, settings, problems)

    async def _follow(
        self, git: GitSettings, own: Settings, stack: AsyncExitStack
    ) -> tuple[Settings, tuple[Problem, ...]]:
        """Begin with the last commit that ran: no remote is waited for."""
        from towline.runtime.following import Following  # most follow no repository

        self._following = Following(
            git,
            own,
            self._configuration,
            attempt=lambda actor: self._reloader.attempt(actor),
            tell=lambda text, level: self._intake.tell(OriginType.MANAGER, text, level),
            environment=self._environment,
        )
        await stack.enter_async_context(self._following)
        return self._configuration.follow(self._following.followed)

    async def _serve(
        self, text: bytes | None, settings: Settings, problems: tuple[Problem, ...]
    ) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reconciler = Reconciler(tasks, partial(build, self._ground()))
                self._overview = Overview(self._reconciler)
                self.operations = Operations(self, lambda: self._settings)
                self.brokers = Brokers(
                    self,
                    lambda: self._settings,
                    self._reconciler.component,
                    self._configuration.folder,
                    self._environment,
                    self._ground().account,
                )
                self._reloader = Reloader(
                    tasks, self._configuration, self._reconciler, self, settings
                )
                around = self._configuration, self._reloader, self._following
                self._changing = Changing(*around, self._reconciler)
                triggers = Triggers(*around, self._stop)
                triggers.listen()
                await self._begin(text, problems)
                with triggers.pulled(tasks):
                    await self._stop.wait()
                self._intake.tell(OriginType.SYSTEM, "Towline stops")
                _log.info("Towline stops")
                await self.brokers.messages.close()
                await self._reloader.stop()
        except BaseExceptionGroup as group:
            if (failure := sole(group, StartError)) is None:
                raise
            raise failure from group

    def _ground(self) -> Ground:
        return Ground(
            towline=self,
            store=self.store,
            intake=self._intake,
            ledger=self._ledger,
            router=Router(),
            settings=lambda: self._settings,
            folder=self._configuration.folder,
            hosting=self._hosting,
        )

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
            self._configuration.ended(Applied(plan, warnings=settings.warnings), "start")
            self._configuration.keep(text)
        self._configuration.save_history()

    async def reload_file(self, actor: str = "file") -> Outcome:
        """Read the file again and bring it into force, or leave everything as it was."""
        return await asyncio.shield(self._reloader.attempt(actor).ended)

    # what reloads ask: towline.runtime.reloader.Owner

    def specs(self, settings: Settings) -> Specs:
        """What should run."""
        own = (
            {"supervisor": Spec(key="supervisor", config=settings.device)} if self._hosting else {}
        )
        return {**specs(settings, SOURCES, BACKENDS), **own}

    def in_force(self, settings: Settings) -> None:
        """From now on these settings hold."""
        self._intake.device = settings.device.id

    def tell(self, outcome: Outcome, actor: str) -> None:
        """Say how an attempt ended, unless nobody needs to know."""
        if not self._configuration.is_news(outcome):
            return
        good = isinstance(outcome, Applied)
        self._configuration.ended(outcome, actor)
        self.audit.put(actor, "configuration", self._configuration.name, diff=str(outcome))
        self._intake.tell(OriginType.MANAGER, str(outcome), "info" if good else "error")
        if good:
            _log.info("configuration applied", extra={"outcome": str(outcome)})
        else:
            _log.error("configuration not applied", extra={"outcome": str(outcome), **TOLD})

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
        found = {"configuration": self._configuration.status(self._settings)}
        if self._following:
            found["git"] = self._following.status()
        return found | {"store": self.store.health.as_json()} | self._overview.status()

    def parts(self) -> dict[str, Component]:
        """The running components by key."""
        return self._overview.parts()

    def ready(self) -> bool:
        """Whether every enabled component is up."""
        return all(part["state"] == State.UP for part in self.status().values())

    def containers(self) -> list[dict[str, Any]]:
        """Containers that sources know."""
        return self._overview.containers()

    def sources(self) -> list[dict[str, Any]]:
        """Sources and how they are."""
        return self._overview.sources(self._settings)

    def ingests(self) -> list[Any]:
        """Sources that devices send to."""
        return self._overview.ingests()

    def backends(self) -> list[dict[str, Any]]:
        """Backends, how they are and how far they got."""
        return self._overview.backends(self._settings)

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts, how they are and when they fired last."""
        return self._overview.alerts(self._settings)

    def backend(self, name: str) -> object:
        """The running backend of a name."""
        return self._overview.delivery(name).backend

    def delivery(self, name: str) -> Delivery:
        """What runs a backend."""
        return self._overview.delivery(name)

    async def remove(self, query: Query) -> int:
        """Remove stored records for good."""
        # else a crash would have what was read last read again: its end is known by its records
        await self._ledger.save(final=True)
        return await remove(self.store, query)

    def note(self, text: str) -> None:
        """Put on record what a person has done."""
        self._intake.tell(OriginType.MANAGER, text)

    async def attach(
        self, container_id: str, service_id: int | None, service_name: str | None
    ) -> None:
        """Read a container's log whatever the file says."""
        await self._overview.source_of(container_id).attach(container_id, service_id, service_name)

    async def detach(self, container_id: str) -> None:
        """Stop reading a container's log."""
        await self._overview.source_of(container_id).detach(container_id)

    async def view(self, container: str) -> None:
        """Somebody views a container."""
        await self._overview.view(container)

    async def control(self, container_id: str, what: str, actor: str) -> None:
        """`start`, `stop` or `restart` a container, and put on record who asked for it."""
        self.audit.put(actor, what, f"container {container_id}")
        await self._overview.source_of(container_id).control(container_id, what)
        self._intake.tell(OriginType.MANAGER, f"{actor}: {what} of container {container_id[:12]}")

    async def reload(self, actor: str = "api") -> dict[str, Any]:
        """Read the file again; a repository is asked first."""
        return await self._changing.reload(actor)

    def config_text(self) -> str:
        """The file as written."""
        return self._configuration.text()

    async def edit(self, text: bytes, etag: str, actor: str) -> dict[str, Any]:
        """Put another text in the file and bring it into force."""
        return await self._changing.edit(text, etag, actor)

    async def check(self, text: bytes, called: str) -> tuple[Problem, ...]:
        """Every problem that a text would have in the file's place."""
        return await check(self._configuration, text, called)

    async def plan(self, text: bytes, called: str) -> dict[str, Any]:
        """What a text would start, change and stop in the file's place."""
        return await self._changing.plan(text, called, SOURCES, BACKENDS)

    def routing(self) -> dict[str, Any]:
        """Backends and routes in force."""
        return routing(self._settings)

    def config_history(self) -> list[dict[str, Any]]:
        """How attempts to change the configuration ended, newest first."""
        return self._configuration.history.entries
