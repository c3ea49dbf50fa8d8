"""The program: the only place that knows every concrete class, the environment and the folders."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from towline import __version__
from towline.broker.connection import Connection
from towline.config.environment import Overrides
from towline.config.files import Files
from towline.config.kinds import Surroundings
from towline.config.load import load
from towline.config.settings import Device, Settings
from towline.config.watch import changes
from towline.delivery.dead import DeadLetters
from towline.delivery.delivery import Delivery
from towline.delivery.router import Router
from towline.errors import ConfigError, NotFound, Problem, StartError
from towline.kinds import BACKENDS, SOURCES
from towline.own_log import TOLD, StoreHandler
from towline.pipeline.pipeline import Pipeline
from towline.ports import Component, Queryable
from towline.record import OriginType, record_id
from towline.runtime.diff import Spec
from towline.runtime.intake import Intake, PipelinePart, SourcePart
from towline.runtime.reconcile import Lookup, Reconciler
from towline.runtime.reload import Applied, Outcome, Refused, RolledBack
from towline.runtime.routes import RoutesPart
from towline.runtime.specs import specs
from towline.status import Health, Reports, State
from towline.store.log import Store
from towline.store.upkeep import Ledger, Upkeep

_log = logging.getLogger(__name__)

LAST_GOOD: Final = "last-good.yaml"
_MINIMAL: Final = "version: 1\nsources: {}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line and the environment say. `file` None: run on defaults."""

    file: Path | None
    environment: Mapping[str, str]
    overrides: Overrides


class Configuration:
    """The file: its text, what it last said, and how the last attempt to apply it ended."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.files = Files()
        self.health = Health()
        self.outcome: Outcome | None = None

    @property
    def name(self) -> str:
        """The file as the user named it."""
        return str(self._options.file or "none: defaults and environment")

    def read(self) -> bytes | None:
        """The file's text; None without a file."""
        self.files = Files()
        file = self._options.file
        if file is None:
            return None
        text = self.files.read(file)
        if text is None:
            raise ConfigError(
                [Problem(code="missing_file", text="there is no such file", file=str(file))]
            )
        return text

    def settings(self, text: bytes | str | None) -> Settings:
        """What a text says; `ConfigError` with every problem."""
        options = self._options
        return load(
            text,
            SOURCES,
            BACKENDS,
            file=options.file,
            environment=options.environment,
            overrides=options.overrides,
            read=self.files.read,
            host_name=socket.gethostname(),
        )

    def ended(self, outcome: Outcome) -> None:
        """Remember how an attempt ended."""
        self.outcome = outcome
        if isinstance(outcome, Applied):
            self.health.up()
        else:
            self.health.degraded(str(outcome))


class Towline:
    """A running Towline, as the API sees it."""

    version = __version__

    def __init__(self, options: Options) -> None:
        self._configuration = Configuration(options)
        self._router = Router()
        self._reloading = asyncio.Lock()
        self._stop = asyncio.Event()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop`; start-up is a reload from nothing, shut-down one to nothing.

        `StoreError` or `StartError` when the data folder or the port cannot be had.
        """
        text, settings, problems = self._first_settings()
        self._settings = settings
        async with Store(settings.store, memory=settings.upkeep.memory) as self.store:
            self._ledger = Ledger(self.store)
            pipeline = Pipeline(settings.pipeline)
            self._intake = Intake(self.store, pipeline, settings.device.id)
            with StoreHandler(partial(self._intake.tell, OriginType.SYSTEM)):
                await self._serve(text, settings, problems)

    async def _serve(
        self, text: bytes | None, settings: Settings, problems: tuple[Problem, ...]
    ) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reconciler = Reconciler(tasks, self._build)
                await self._begin(text, settings, problems)
                watching = tasks.create_task(self._watch())
                await self._stop.wait()
                watching.cancel()
                self._intake.tell(OriginType.SYSTEM, "Towline stops")
                _log.info("Towline stops")
                await self._reconciler.apply({})
        except* StartError as group:
            raise group.exceptions[0] from group

    def stop(self) -> None:
        """Let `run` come to an end; what is held is delivered first."""
        self._stop.set()

    def _first_settings(self) -> tuple[bytes | None, Settings, tuple[Problem, ...]]:
        """The file's settings; those of the last good text where it is broken; else the minimum.

        With a broken file and nothing to fall back on, the API and the page still come up.
        """
        configuration = self._configuration
        try:
            text = configuration.read()
            return text, configuration.settings(text), ()
        except ConfigError as exc:
            problems = exc.problems
        minimal = configuration.settings(_MINIMAL)
        with suppress(OSError, ConfigError):
            text = (minimal.store.path / LAST_GOOD).read_bytes()
            return text, configuration.settings(text), problems
        return None, minimal, problems

    async def _begin(
        self, text: bytes | None, settings: Settings, problems: tuple[Problem, ...]
    ) -> None:
        plan = await self._reconciler.apply(specs(settings, SOURCES, BACKENDS))
        self._intake.tell(OriginType.SYSTEM, f"Towline {__version__} started")
        about = {
            "version": __version__,
            "config": self._configuration.name,
            "data": str(settings.store.path),
            "api": f"http://{settings.api.host}:{settings.api.port}",
        }
        _log.info("Towline started", extra=about)
        if problems:
            self._tell(Refused(problems))
        else:
            self._configuration.ended(Applied(plan))
            self._keep(text)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        async for _ in changes(lambda: self._configuration.files.seen, self._stop):
            await self.reload_file()

    def _hang_up(self) -> None:
        self._reload_task = asyncio.create_task(self.reload_file(), name="reload")

    async def reload_file(self) -> Outcome:
        """Read the file again and bring it into force, or leave everything as it was."""
        async with self._reloading:
            try:
                text = self._configuration.read()
                settings = self._configuration.settings(text)
                self._refuse_restart(settings)
                former, self._settings = self._settings, settings
                try:
                    plan = await self._reconciler.apply(specs(settings, SOURCES, BACKENDS))
                except BaseException:
                    self._settings = former
                    raise
            except ConfigError as exc:
                outcome: Outcome = Refused(exc.problems)
            except StartError as exc:
                outcome = RolledBack(exc.key, str(exc.__cause__))
            else:
                outcome = Applied(plan)
                self._intake.device = settings.device.id
                self._keep(text)
            self._tell(outcome)
            return outcome

    def _refuse_restart(self, settings: Settings) -> None:
        """The folder of a running store cannot be moved."""
        if settings.store != self._settings.store:
            raise ConfigError(
                [
                    Problem(
                        code="restart_required",
                        text="store.path and store.persist change at a restart only",
                        path=("store",),
                    )
                ]
            )

    def _tell(self, outcome: Outcome) -> None:
        self._configuration.ended(outcome)
        if isinstance(outcome, Applied) and not outcome.plan:
            return
        good = isinstance(outcome, Applied)
        self._intake.tell(OriginType.MANAGER, str(outcome), "info" if good else "error")
        if good:
            _log.info("configuration applied", extra={"outcome": str(outcome)})
        else:
            _log.error("configuration not applied", extra={"outcome": str(outcome), **TOLD})

    def _keep(self, text: bytes | None) -> None:
        """Remember a text that works, for a start with one that does not."""
        if text is None or not self.store.persistent:
            return
        try:
            (self.store.path / LAST_GOOD).write_bytes(text)
        except OSError as exc:
            _log.warning("last good configuration not kept", extra={"reason": exc.strerror})

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

                return ApiServer(config[1], self)

    # what the API asks: towline.api.ports.Towline

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
        """Read the file again; `ConfigError` when it is at fault."""
        outcome = await self.reload_file()
        if isinstance(outcome, Refused):
            raise ConfigError(outcome.problems)
        return outcome.as_json()

    def config_text(self) -> str:
        """The file as written."""
        with suppress(ConfigError):
            text = self._configuration.read()
            return text.decode("utf-8", "replace") if text else ""
        return ""

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
