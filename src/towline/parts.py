"""What each spec becomes. A new part of Towline is a function and a line of `PARTS` here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from towline.api.ports import Towline
from towline.config.brokers import SUPERVISOR
from towline.config.kinds import Surroundings
from towline.config.settings import Settings
from towline.delivery.dead import DeadLetters
from towline.delivery.delivery import Delivery
from towline.delivery.router import Router
from towline.homeassistant.ports import Watched
from towline.kinds import BACKENDS, SOURCES
from towline.ports import Component
from towline.record import OriginType
from towline.runtime.diff import Spec
from towline.runtime.intake import Intake, PipelinePart, SourcePart
from towline.runtime.reconcile import Lookup
from towline.runtime.routes import RoutesPart
from towline.store.log import Store
from towline.store.upkeep import Ledger, Upkeep

if TYPE_CHECKING:
    from towline.broker.servers import Account
    from towline.homeassistant.hosting import Hosting


class Running(Towline, Watched, Protocol):
    """The program, as the API and Home Assistant see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What parts stand on: it outlives every one of them, whatever a reload changes."""

    towline: Running
    store: Store
    intake: Intake
    ledger: Ledger
    router: Router
    settings: Callable[[], Settings]
    folder: Path
    hosting: Hosting | None = None

    async def account(self) -> Account:
        """What `servers: [supervisor]` means."""
        if self.hosting is None:
            raise OSError("there is no Supervisor: Towline does not run as a Home Assistant app")
        return await self.hosting.supervisor.account()

    def around(self, lookup: Lookup) -> Surroundings:
        """What a source or a backend is given."""
        settings = self.settings()
        return Surroundings(
            device=settings.device,
            lookup=lookup,
            checkpoints=self.store.checkpoints,
            max_age=settings.upkeep.longest_age,
            folder=self.folder,
            held=self.intake.held,
        )


def build(ground: Ground, spec: Spec, lookup: Lookup) -> Component:
    """The component of a spec: nothing is opened yet. `lookup` finds others by key."""
    room, _, name = spec.key.partition(".")
    return PARTS[room](ground, name, spec.config, lookup)


def _alert(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    from towline.alerts.opening import opened
    from towline.alerts.rules import OWN

    tell = partial(ground.intake.tell, OriginType.MANAGER, name=OWN)
    return opened(
        name,
        config,
        ground.store,
        lookup,
        lambda text, level, fields: tell(text, level, fields=fields),
        ground.folder,
    )


def _api(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    from towline.api.server import ApiServer

    _, settings = config
    ingress = ground.hosting.ingress if ground.hosting else ""
    return ApiServer(settings, ground.towline, ingress=ingress, before=lookup("api"))


def _backend(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    backend = BACKENDS[config.type].open(name, config.config, ground.around(lookup))
    dead = DeadLetters(ground.store.path / "dead", name)
    tell_missed = partial(ground.intake.tell_missed, name)
    return Delivery(name, backend, ground.store, ground.router, dead, tell_missed=tell_missed)


def _broker(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    from towline.broker.connection import Connection  # paho costs 3 MB

    accounts = ground.account if SUPERVISOR in config.own.servers else None
    device = config.device.id
    return Connection(name, config.own, device, folder=ground.folder, accounts=accounts)


def _homeassistant(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    device, settings, broker = config.device, config.own, config.broker
    file = ground.store.path / "homeassistant.json" if ground.store.persistent else None
    if not settings.discovery:
        from towline.homeassistant.withdrawal import Withdrawal

        return Withdrawal(device.id, settings.prefix, lookup(f"brokers.{broker}"), file)
    from towline.homeassistant.part import HomeAssistantPart

    tell = partial(ground.intake.tell, OriginType.MANAGER)
    return HomeAssistantPart(settings, ground.towline, lookup(f"brokers.{broker}"), tell, file)


def _pipeline(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    return PipelinePart(ground.intake, config)


def _requests(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    from towline.runtime.requests import Answers
    from towline.subscriptions.requests import RequestsPart

    device, settings, broker = config.device, config.own, config.broker
    perform = Answers(ground.towline, ground.settings)
    line = lookup(f"brokers.{broker}")
    return RequestsPart(device.id, settings, line, perform, ground.towline.audit)


def _retention(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    return Upkeep(ground.store, ground.ledger, config)


def _routes(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    return RoutesPart(ground.router, config)


def _source(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    entry = config.own
    source = SOURCES[entry.type].open(name, entry.config, ground.around(lookup))
    return SourcePart(source, ground.intake, ground.ledger)


def _state(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    from towline.runtime.announce import StatePart

    def told() -> list[Any]:
        # looked up each time: a change may bring other connections
        names = ground.settings().brokers if not config.own.broker else [config.own.broker]
        return [found for each in names if (found := lookup(f"brokers.{each}")) is not None]

    return StatePart(ground.towline, config.device, config.own, told)


def _report(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    from towline.runtime.report import ReportPart

    return ReportPart(ground.towline, config.device, config.own)


def _subscription(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    from towline.runtime.operations import Operations
    from towline.subscriptions.opening import opened
    from towline.subscriptions.written import Written

    own = config.own

    def still() -> bool:
        found = ground.settings().subscriptions.get(name)
        if found is None or not found.enabled:
            return False
        return (found.broker, found.filter) == (own.broker, own.filter)

    tell = partial(ground.intake.tell, OriginType.MANAGER, name="subscriptions")
    return opened(
        name,
        own,
        config.device.id,
        lookup,
        lambda text, level, fields: tell(text, level, fields=fields),
        ground.folder,
        Operations(ground.towline, ground.settings),
        still=still,
        heard=ground.towline.brokers.messages.heard(own.broker),
        done=Written(ground.towline.audit),
    )


def _supervisor(ground: Ground, name: str, config: Any, lookup: Lookup) -> Component:
    from towline.homeassistant.apps import AppsPart

    if ground.hosting is None:
        raise LookupError("there is a Supervisor only where Towline runs as an app")
    return AppsPart(
        ground.hosting.supervisor,
        ground.intake.emit,
        config.id,
        socket=ground.hosting.socket.is_socket,
    )


PARTS: Final[Mapping[str, Callable[[Ground, str, Any, Lookup], Component]]] = {
    "alerts": _alert,
    "api": _api,
    "backends": _backend,
    "brokers": _broker,
    "homeassistant": _homeassistant,
    "pipeline": _pipeline,
    "report": _report,
    "requests": _requests,
    "retention": _retention,
    "routes": _routes,
    "sources": _source,
    "state": _state,
    "subscriptions": _subscription,
    "supervisor": _supervisor,
}
"""By what a spec's key begins with; each is given the ground, the name and the spec's config."""
