"""What the engine said of its containers: each event told once, and what no event told, late.

Events get lost: the engine keeps 256 of them and drops what a reader does not take in time. So a
new session asks for those since the last one heard, and the engine's list is held against what was
told: what differs twice in a row, with no event in between, is told from the list.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from towline.record import Line, Origin, OriginType
from towline.sources.docker.origins import Container
from towline.sources.docker.words import Attributes, line_of, number

Event = Mapping[str, Any]
Tell = Callable[[Origin, Line], None]

REMEMBERED: Final = 1024
"""Events by which one is known again; the engine replays 256 at most."""

_OVERLAP: Final = 1_000_000_000
"""Nanoseconds before the newest event from which on a new session asks: some come out of order."""

_GONE: Final = "gone"
_STATUS: Final[Mapping[str, str]] = {
    "create": "created",
    "start": "running",
    "unpause": "running",
    "pause": "paused",
    "die": "exited",
    "destroy": _GONE,
}
_LATE: Final[Mapping[tuple[str, str], str]] = {
    ("paused", "running"): "unpause",
    ("running", "paused"): "pause",
}
_SAME: Final[Mapping[str, str]] = {"restarting": "exited", "dead": "exited"}


@dataclass(slots=True)
class Told:
    """What was told of one container so far; an empty text is not known.

    `origin` is None where nothing is to be told. `heard` counts events; `doubt` is what the
    engine's list said otherwise, and at which count. `oom` and `signalled` are of the run that
    lasts: memory ran out, somebody sent a signal.
    """

    origin: Origin | None = None
    container: Container | None = None
    status: str = ""
    health: str = ""
    started_at: str = ""
    oom: bool = False
    signalled: int = 0
    heard: int = 0
    doubt: tuple[int, str, str, str] | None = None


class Chronicle:
    """Tells events as records of the containers they are about."""

    def __init__(self, tell: Tell, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._tell = tell
        self._clock = clock
        self._told: dict[str, Told] = {}
        self._heard: OrderedDict[tuple[int, str, str], None] = OrderedDict()
        self._newest = 0

    @property
    def since(self) -> int:
        """From when on the next session asks for events, in nanoseconds; 0 for from now on."""
        return max(0, self._newest - _OVERLAP)

    def is_new(self, event: Event) -> bool:
        """Whether an event was not heard before; it has been from now on."""
        key = (_ns(event), actor(event)[0], action_of(event))
        if key in self._heard:
            return False
        self._heard[key] = None
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        self._newest = max(self._newest, key[0])
        return True

    def expect(self, id_: str) -> None:
        """A container stands in the list of which no event told: so far it counts as created."""
        self._told.setdefault(id_, Told(status="created"))

    def about(self, container: Container, origin: Origin | None) -> None:
        """What an inspection says of a container; no `origin` where nothing is to be told."""
        told = self._told.setdefault(container.id, Told())
        told.origin, told.container = origin, container
        told.status = told.status or _status(container.status)
        told.started_at = told.started_at or container.started_at

    def heed(self, event: Event) -> None:
        """Learn from an event, before anybody looks at its container."""
        action, (id_, attributes) = action_of(event), actor(event)
        told = self._told.setdefault(id_, Told())
        told.heard += 1
        told.doubt = None
        told.status = _STATUS.get(action, told.status)
        if action == "start":
            told.oom, told.signalled, told.health, told.started_at = False, 0, "", ""
        elif action == "oom":
            told.oom = True
        elif action == "kill":
            told.signalled = number(attributes.get("signal")) or 0
        elif action.startswith("health_status: "):
            told.health = action.partition(": ")[2]

    def tell(self, event: Event, origin: Origin | None = None) -> None:
        """Put an event on record; `origin` for a container that was gone before it was met."""
        action, (id_, attributes) = action_of(event), actor(event)
        told = self._told.get(id_) or Told()
        origin = told.origin or (origin if told.container is None else None)
        if origin is not None:
            line = line_of(
                action,
                attributes,
                _ns(event) or self._clock(),
                oom=told.oom or bool(told.container and told.container.oom),
                signalled=told.signalled,
            )
            if line is not None:
                self._tell(replace(origin, type=OriginType.SYSTEM), line)
        if action == "destroy":
            self._told.pop(id_, None)

    def compare(self, listed: Mapping[str, tuple[str, str]]) -> None:
        """Hold the engine's list, status and health by id, against what was told.

        The event of a difference may still be on its way: so it is told late only when it stands
        for two lists, with no event of that container in between.
        """
        for id_, told in list(self._told.items()):
            status, health = listed.get(id_, (_GONE, ""))
            if told.container is None:
                if status == _GONE:
                    del self._told[id_]
                continue
            action = _missed(told, told.container, _status(status), health)
            if action:
                self._tell_late(action, told, told.container)
            if action == "destroy":
                del self._told[id_]

    def _tell_late(self, action: str, told: Told, container: Container) -> None:
        attributes = {"name": container.name, "exitCode": str(container.exit_code)}
        line = line_of(action, attributes, self._clock(), oom=container.oom, late=True)
        if line is not None and told.origin is not None:
            self._tell(replace(told.origin, type=OriginType.SYSTEM), line)


def _missed(told: Told, container: Container, status: str, health: str) -> str:
    """The action that no event told, or an empty text while there is none or it may come."""
    health = health if health in ("healthy", "unhealthy") else told.health
    started_at = container.started_at if status == "running" else told.started_at
    found = (status, health, started_at)
    if found == (told.status, told.health, told.started_at) or status in ("created", "removing"):
        told.doubt = None
        return ""
    if told.doubt != (told.heard, *found):
        told.doubt = (told.heard, *found)
        return ""
    before, started_before = told.status, told.started_at
    told.status, told.health, told.started_at = found
    told.doubt = None
    if status != before:
        if status in (_GONE, "exited"):
            return "destroy" if status == _GONE else "die"
        return _LATE.get((before, status), "start")
    return "start" if started_at != started_before else f"health_status: {health}"


def action_of(event: Event) -> str:
    """What happened, in the engine's word."""
    return str(event.get("Action", ""))


def actor(event: Event) -> tuple[str, Attributes]:
    """The container that an event is about: its id, and what the engine says of it."""
    found = event.get("Actor") or {}
    return str(found.get("ID", "")), found.get("Attributes") or {}


def in_list(found: Mapping[str, Any]) -> tuple[str, str]:
    """A container's status and health as one row of the engine's list tells them."""
    text = str(found.get("Status", ""))  # "Up 5 minutes (healthy)"
    health = text.rpartition("(")[2].removesuffix(")") if text.endswith(")") else ""
    return str(found.get("State", "")), health


def _ns(event: Event) -> int:
    ns = event.get("timeNano")
    return ns if isinstance(ns, int) else 0


def _status(status: str) -> str:
    return _SAME.get(status, status)
