"""What Towline can be made to do from outside: by actions of subscriptions and by requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from towline.config.operations import LEVELS
from towline.config.settings import Match, Settings
from towline.delivery.delivery import Delivery
from towline.errors import ConfigError, NotFound, Rejected, Retryable, SourceError
from towline.homeassistant.choice import Chosen
from towline.pipeline.match import compile_match
from towline.ports import Audit
from towline.record import Origin, OriginType, record_id
from towline.store.log import Store
from towline.store.query import Query

MOST_CONTAINERS: Final = 50
"""Containers that one command may mean."""


_SHORT: Final = 12  # as Docker shows a container's id


class Program(Protocol):
    """The running Towline."""

    @property
    def store(self) -> Store:
        """The log."""

    @property
    def audit(self) -> Audit:
        """Where it is written down."""

    def containers(self) -> list[dict[str, Any]]:
        """Containers that sources know."""

    def delivery(self, name: str) -> Delivery:
        """What runs a backend."""

    async def control(self, container_id: str, what: str, actor: str) -> None:
        """Start, stop or restart a container."""

    async def reload(self, actor: str = "api") -> dict[str, Any]:
        """Read the configuration again."""

    def note(self, text: str) -> None:
        """Put on record what was done."""


class Operations:
    """See `towline.actions.ports.Operations`; rights are those in force when it is asked."""

    def __init__(self, towline: Program, settings: Callable[[], Settings]) -> None:
        self._towline = towline
        self._settings = settings

    async def control(self, match: Match, what: str, actor: str) -> None:
        """Only with `homeassistant.controls`, and what `homeassistant.allow` fits."""
        own = self._settings().homeassistant
        if not own.controls:
            raise Rejected("containers may not be controlled: homeassistant.controls is false")
        chosen = Chosen(own, self._towline.store.labels)
        matcher = compile_match(match)
        meant = [row for row in self._towline.containers() if matcher.of(_origin(row)) is True]
        if not meant:
            raise Rejected("no container matches")
        if len(meant) > MOST_CONTAINERS:
            raise Rejected(f"{len(meant)} containers match: at most {MOST_CONTAINERS} at once")
        if refused := [str(row["name"]) for row in meant if not chosen.may_control(row)]:
            raise Rejected(f"homeassistant.allow does not fit {', '.join(refused[:5])}")
        for row in meant:
            try:
                await self._towline.control(str(row["id"]), what, actor)
            except NotFound as exc:
                raise Rejected(str(exc)) from exc
            except SourceError as exc:
                raise Retryable(str(exc)) from exc

    def controllable(self) -> Callable[[dict[str, Any]], bool]:
        """Tells of a container's row whether it may be controlled, as things are in force now."""
        own = self._settings().homeassistant
        return Chosen(own, self._towline.store.labels).may_control if own.controls else _never

    async def control_one(self, container_id: str, what: str, actor: str) -> None:
        """The same for one container by id or name; `NotFound`, `SourceError`, `Rejected`."""
        row = next((row for row in self._towline.containers() if _is(row, container_id)), None)
        if row is None:
            raise NotFound(f"no container {container_id!r}")
        if not self._settings().homeassistant.controls:
            raise Rejected("containers may not be controlled: homeassistant.controls is false")
        if not self.controllable()(row):
            raise Rejected(f"homeassistant.allow does not fit {row['name']}")
        await self._towline.control(str(row["id"]), what, actor)

    async def reload(self, actor: str) -> None:
        """Read the configuration again; one at fault changes nothing."""
        try:
            await self._towline.reload(actor)
        except ConfigError as exc:
            raise Rejected(str(exc)) from exc

    async def replay(self, backend: str, since: float, actor: str) -> str:
        """Move a backend's cursor back; the id of the record it goes on with."""
        store = self._towline.store
        try:
            delivery = self._towline.delivery(backend)
        except NotFound as exc:
            raise Rejected(str(exc)) from exc
        oldest = Query(since=round((time.time() - since) * 1000), newest_first=False, limit=1)
        found = (await store.query(oldest)).records
        moved = record_id(delivery.move(found[0].offset if found else store.next_offset))
        self._towline.audit.put(actor, "replay", f"backend {backend}", diff={"from": moved})
        self._towline.note(f"backend {backend} replayed from {moved}, by {actor}")
        return moved

    def level(self, level: str, actor: str) -> None:
        """How much Towline says of itself."""
        if level not in LEVELS:
            raise Rejected(f"a level is one of {', '.join(LEVELS)}")
        logging.getLogger("towline").setLevel(level.upper())
        self._towline.audit.put(actor, "level", level)
        self._towline.note(f"log level {level}, by {actor}")


def _never(row: dict[str, Any]) -> bool:
    return False


def _is(row: dict[str, Any], name: str) -> bool:
    full = str(row["id"])
    return name in (full, row["name"]) or (len(name) >= _SHORT and full.startswith(name))


def _origin(row: dict[str, Any]) -> Origin:
    return Origin(
        type=OriginType.CONTAINER,
        name=str(row["origin"]),
        device="",
        project=row.get("project"),
        service=row.get("serviceName"),
        container_id=row.get("id"),
        container=row.get("name"),
    )
