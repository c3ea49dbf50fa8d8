"""From what a file says of an alert to its component."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from towline.actions.notify import BrokerNotifier
from towline.actions.opening import jobs
from towline.actions.ports import Around, Notifier, Tell
from towline.actions.runner import Runner
from towline.alerts.alert import Alert
from towline.alerts.watch import AlertHealth
from towline.config.alerts import Alert as Settings
from towline.config.settings import Device
from towline.store.log import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An alert, the device in whose name it speaks, and the broker by which people are told."""

    device: Device
    own: Settings
    home: str


def watched(settings: Settings, device: Device, brokers: tuple[str, ...]) -> Watched:
    """With the broker only where the alert uses it: others are left alone when it changes."""
    asks = any(action.kind == "notify" for action in settings.actions)
    return Watched(device=device, own=settings, home=brokers[0] if asks and brokers else "")


def opened(
    name: str,
    config: Watched,
    store: Store,
    lookup: Callable[[str], Any],
    tell: Tell,
    folder: Path,
    notifier: Notifier | None = None,
) -> Alert:
    """The component; nothing is opened yet. It does not lean on brokers: it looks them up.

    Without a `notifier` people are told by way of `config.home`, where there is one.
    """
    health = AlertHealth()
    bare = Around(broker=partial(_broker, lookup), notifier=None, tell=tell, folder=folder)
    if notifier is None and config.home:
        notifier = BrokerNotifier(config.home, bare)
    around = replace(bare, notifier=notifier)
    runner = Runner(
        f"alerts.{name}",
        jobs(config.own.actions, around),
        health,
        gave_up=lambda kind, why: tell(f"alert {name}: {kind} was given up: {why}", "error", ""),
    )
    return Alert(name, config.own, config.device.id, store, runner, tell, health)


def _broker(lookup: Callable[[str], Any], name: str) -> Any:
    return lookup(f"brokers.{name}")
