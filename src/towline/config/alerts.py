"""What `alerts:` says: which records or container events raise an alarm, and what is done then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config.actions import Action, actions
from towline.config.compound import Into, Listing, Mapping, Named
from towline.config.faults import Fault, expected
from towline.config.fields import boolean, duration, one_of, plain, whole
from towline.config.match import match
from towline.config.patience import off_or_duration
from towline.config.settings import Match
from towline.config.shapes import Either, shaped, words

EVENTS: Final = (
    "create", "start", "restart", "kill", "pause", "unpause", "die", "oom",
    "unhealthy", "healthy", "rename", "destroy",
)  # fmt: skip
"""Events of containers that a rule may name."""

GROUPS: Final = ("origin", "service", "project", "app", "image", "device", "level", "all")
WORDS: Final = (
    "alert", "state", "group", "count", "suppressed", "message", "time", "id", "level", "stream",
    "name", "service", "project", "app", "container", "image", "device", "host", "source",
    "event", "exit_code", "lines", "fields.",
)  # fmt: skip
"""What templates of an alert's actions may name."""

_OVER: Final = re.compile(r"(\d{1,4}) in (\S.*)", re.ASCII)
_MOST: Final = 1000
_ENDS: Final = frozenset({"die"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """So many within so many seconds."""

    count: int
    span: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule and its actions. `events` empty: it is about lines. Durations are seconds.

    `resolve` 0: it never says that it is over; `cooldown` 0: it may fire again at once.
    """

    match: Match
    events: tuple[str, ...]
    unless_exit: tuple[int, ...]
    over: Over
    group: tuple[str, ...]
    cooldown: float
    resolve: float
    max_age: float
    with_lines: int
    enabled: bool
    actions: tuple[Action, ...]


@shaped(words(r"\d{1,4} in \d{1,9}(?:\.\d{1,6})? ?(?:ms|s|m|h|d)"))
def _over(value: Any) -> Over:
    found = _OVER.fullmatch(value) if isinstance(value, str) else None
    if not found or not 0 < int(found[1]) <= _MOST:
        raise expected(f"a count up to {_MOST} and a duration such as '5 in 1m'", value)
    return Over(count=int(found[1]), span=duration(plain(found[2])))


def _some(word: Any, most: int) -> Any:
    items = Listing(word, least=1, most=most)

    @shaped(Either((word, items)))
    def validate(value: Any) -> Any:
        return tuple(dict.fromkeys(items(value) if isinstance(value, list) else (word(value),)))

    return validate


_codes = Listing(whole(0, 255), most=64)


@shaped(Either((whole(0, 255), _codes)))
def _some_codes(value: Any) -> tuple[int, ...]:
    """An exit code or a list of them."""
    return tuple(_codes(value if isinstance(value, list) else [value]))


def _alert(**keys: Any) -> Alert:
    events, codes = keys.pop("event", ()), keys["unless_exit"]
    if not events and "match" not in keys:
        raise Fault("missing_key", "an alert needs a match, an event or both", at_key=True)
    if codes and not _ENDS & set(events):
        wanted = "exit codes belong to the event die"
        raise Fault("wrong_value", wanted, path=["unless_exit"], hint="event: die")
    if len(keys["group"]) > 1 and "all" in keys["group"]:
        raise Fault("wrong_value", "all is one group: nothing can stand beside it", path=["group"])
    return Alert(**{"match": Match(), **keys}, events=events)


ALERTS: Final = Named(
    Into(
        Mapping(
            {
                vol.Optional("match"): match,
                vol.Optional("event"): _some(one_of(*EVENTS), len(EVENTS)),
                vol.Optional("unless_exit", default=list): _some_codes,
                vol.Optional("over", default="1 in 1m"): _over,
                vol.Optional("group", default="origin"): _some(one_of(*GROUPS), len(GROUPS)),
                vol.Optional("cooldown", default="1m"): off_or_duration,
                vol.Optional("resolve", default="off"): off_or_duration,
                vol.Optional("max_age", default="1h"): duration,
                vol.Optional("with_lines", default=0): whole(0, 200),
                vol.Optional("enabled", default=True): boolean,
                vol.Optional("actions", default=list): actions(WORDS),
            }
        ),
        _alert,
    )
)
"""The mapping below `alerts:`; its defaults stand here and nowhere else."""
