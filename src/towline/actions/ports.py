"""What an action is, and what actions ask of the program around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from towline.actions.occasion import Occasion
from towline.config.settings import Match


class Action(Protocol):
    """Does one thing for an occasion. Never queues, retries, waits or counts: `runner` does."""

    async def perform(self, occasion: Occasion) -> None:
        """Do it, or raise `Retryable` or `Rejected`. May be cancelled at any await.

        The same occasion twice must be harmless to us; whoever is told may see it twice.
        """


class Publisher(Protocol):
    """The part of a broker's connection that actions need."""

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Publish one message and wait until the broker has it; `Retryable`, or `Rejected`."""


class Notifier(Protocol):
    """Tells people, by way of Home Assistant."""

    async def notify(self, occasion: Occasion) -> None:
        """Tell it, or raise `Retryable` or `Rejected`."""


class Operations(Protocol):
    """What Towline itself can be made to do. `actor` is who wants it, for the record.

    Each raises `Rejected` for what will never work and `Retryable` for what may later.
    """

    async def control(self, match: Match, what: str, actor: str) -> None:
        """`start`, `stop` or `restart` every container that matches and may be controlled."""

    async def reload(self, actor: str) -> None:
        """Read the configuration again."""

    async def replay(self, backend: str, since: float, actor: str) -> str:
        """Have a backend send again what came in the last seconds; the record it begins with."""

    def level(self, level: str, actor: str) -> None:
        """How much Towline says of itself."""


Tell = Callable[[str, str, str], None]
"""Write a record of Towline's own: text, level, and fields as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What actions may use. `broker` finds the connection that runs now: it may be another later.

    `notifier` None: there is no way to tell anybody but the record that is written anyway.
    `folder` is where paths of certificates begin. `operations` None: an owner that has none.
    """

    broker: Callable[[str], Publisher | None]
    notifier: Notifier | None
    tell: Tell
    folder: Path
    operations: Operations | None = None
