"""From settings to the specs of every component. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from towline.alerts.opening import watched
from towline.broker.server import claims as broker_claims
from towline.config.brokers import Broker
from towline.config.homeassistant import HomeAssistant
from towline.config.kinds import Kinds
from towline.config.requests import Requests
from towline.config.settings import Device, Entry, Settings
from towline.config.state import State
from towline.config.subscriptions import Subscription
from towline.runtime.diff import Spec, Specs

FIRST, SECOND, LAST = range(3)


@dataclass(frozen=True, slots=True)
class Located:
    """Settings of a component whose records or topics name the device."""

    device: Device
    own: Entry | Broker | State | Subscription | HomeAssistant | Requests


@dataclass(frozen=True, slots=True)
class Over(Located):
    """Settings of a component that speaks over one broker: the one named, else the first."""

    broker: str


def specs(settings: Settings, sources: Kinds, backends: Kinds) -> Specs:
    """What should run. Backends stop after sources and before brokers: they deliver the rest."""
    api = settings.api
    found = [
        Spec(
            key="api",
            config=(settings.device, api),
            claims=frozenset({f"port {api.host}:{api.port}"}),
            hands_over=True,
        ),
        Spec(key="pipeline", config=settings.pipeline),
        Spec(key="retention", config=settings.upkeep),
        Spec(key="routes", config=settings.routes),
    ]
    for name, broker in settings.brokers.items():
        found.append(
            Spec(
                key=f"brokers.{name}",
                config=Located(settings.device, broker),
                claims=broker_claims(broker, settings.device.id),
            )
        )
    for name, entry in settings.backends.items():
        kind = backends[entry.type]
        found.append(
            Spec(
                key=f"backends.{name}",
                config=entry,
                tier=SECOND,
                needs=kind.needs(entry.config),
                claims=kind.claims(entry.config),
            )
        )
    brokers = tuple(settings.brokers)
    for name, alert in settings.alerts.items():
        config = watched(alert, settings.device, brokers)
        found.append(Spec(key=f"alerts.{name}", config=config, tier=SECOND))
    for name, each in settings.subscriptions.items():
        found.append(
            Spec(
                key=f"subscriptions.{name}",
                config=Located(settings.device, each),
                tier=SECOND,
                needs=frozenset({f"brokers.{each.broker}"}),
            )
        )
    if settings.requests.enabled:
        found.append(_requests(settings))
    if settings.homeassistant.discovery is not None and settings.brokers:
        found.append(_homeassistant(settings))
    if brokers and (settings.state.publish or settings.state.metrics):
        found.append(Spec(key="state", config=Located(settings.device, settings.state)))
    if settings.state.report_to:
        found.append(Spec(key="report", config=Located(settings.device, settings.state)))
    for name, entry in settings.sources.items():
        kind = sources[entry.type]
        found.append(
            Spec(
                key=f"sources.{name}",
                config=Located(settings.device, entry),
                tier=LAST,
                needs=kind.needs(entry.config),
            )
        )
    return {spec.key: spec for spec in found}


def _requests(settings: Settings) -> Spec:
    """Requests come over one broker: the one named, else the first."""
    own = settings.requests
    broker = own.broker or next(iter(settings.brokers))
    return Spec(
        key="requests",
        config=Over(settings.device, own, broker),
        tier=SECOND,
        needs=frozenset({f"brokers.{broker}"}),
    )


def _homeassistant(settings: Settings) -> Spec:
    """Home Assistant hears of everything over one broker: the one named, else the first.

    Where discovery is off, what was announced before is taken back.
    """
    own = settings.homeassistant
    broker = own.broker or next(iter(settings.brokers))
    return Spec(
        key="homeassistant",
        config=Over(settings.device, own, broker),
        tier=SECOND,
        needs=frozenset({f"brokers.{broker}"}),
    )
