"""From what a file says of a subscription to its component."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from towline.actions.notify import BrokerNotifier
from towline.actions.opening import jobs
from towline.actions.ports import Around, Operations, Tell
from towline.actions.runner import Runner
from towline.config.subscriptions import Subscription as Settings
from towline.status import Health
from towline.subscriptions.listener import Done, Heard, Listener


def opened(
    name: str,
    settings: Settings,
    device: str,
    lookup: Callable[[str], Any],
    tell: Tell,
    folder: Path,
    operations: Operations,
    *,
    still: Callable[[], bool],
    heard: Heard,
    done: Done,
) -> Listener:
    """The component; nothing is opened yet. Brokers that actions name are looked up each time."""
    health = Health()
    broker = partial(_broker, lookup)
    bare = Around(broker=broker, notifier=None, tell=tell, folder=folder, operations=operations)
    around = Around(
        broker=broker,
        notifier=BrokerNotifier(settings.broker, bare),
        tell=tell,
        folder=folder,
        operations=operations,
    )
    runner = Runner(
        f"subscriptions.{name}",
        jobs(settings.actions, around, settings.at_once),
        health,
        gave_up=lambda kind, why: tell(
            f"subscription {name}: {kind} was given up: {why}", "error", ""
        ),
    )
    connection = lookup(f"brokers.{settings.broker}")
    return Listener(
        name, settings, device, connection, runner, health, still=still, heard=heard, done=done
    )


def _broker(lookup: Callable[[str], Any], name: str) -> Any:
    return lookup(f"brokers.{name}")
