"""Actions that have Towline itself do something: for subscriptions, not for alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import voluptuous as vol

from towline.config.compound import Into, Mapping
from towline.config.faults import Fault
from towline.config.fields import duration, name, one_of, shell_patterns
from towline.config.patience import Patience, patience_keys, patient
from towline.config.settings import Match

DOINGS: Final = ("start", "stop", "restart")
LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Start, stop or restart every container that matches."""

    kind: ClassVar[str] = "container"
    match: Match
    do: str
    patience: Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """Read the configuration again."""

    kind: ClassVar[str] = "reload"
    patience: Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Have a backend send again what came in the last `since` seconds."""

    kind: ClassVar[str] = "replay"
    backend: str
    since: float
    patience: Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How much Towline says of itself from now on."""

    kind: ClassVar[str] = "level"
    to: str
    patience: Patience


Operation = Container | Reload | Replay | Level

_NAMES: Final = ("service", "container", "project")


def _container(**keys: Any) -> Container:
    named = {key: keys.pop(key) for key in _NAMES if key in keys}
    if not named:
        raise Fault("missing_key", f"say which containers: {', '.join(_NAMES)}", at_key=True)
    return Container(match=Match(**named), **keys)


_SOON: Final = patience_keys(timeout="1m", retry="off")

OPERATIONS: Final = {
    Container.kind: Into(
        Mapping(
            {vol.Optional(key): shell_patterns for key in _NAMES}
            | {vol.Required("do"): one_of(*DOINGS)}
            | _SOON
        ),
        patient(_container),
    ),
    Reload.kind: Into(Mapping(_SOON), patient(Reload)),
    Replay.kind: Into(
        Mapping({vol.Required("backend"): name, vol.Required("since"): duration} | _SOON),
        patient(Replay),
    ),
    Level.kind: Into(Mapping({vol.Required("to"): one_of(*LEVELS)} | _SOON), patient(Level)),
}
"""Each kind's validator."""
