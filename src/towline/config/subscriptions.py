"""What `subscriptions:` says: topics that are listened to, and what is done then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config.actions import Action, actions
from towline.config.compound import Into, Listing, Mapping, Named
from towline.config.faults import Fault, expected
from towline.config.fields import boolean, name, plain, regex, some_text, text, whole
from towline.config.operations import OPERATIONS, Operation
from towline.config.shapes import shaped, words

WORDS: Final = ("subscription", "device", "topic", "payload", "time", "message", "fields.")
"""What templates of a subscription's actions may name; `fields.` is the payload's JSON."""

_PATH: Final = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")
_GROUP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LONGEST: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must hold of a payload, or of what stands at a dotted `path` of its JSON.

    With neither `equals` nor `regex` (None) something must stand there.
    """

    path: str
    equals: str | None
    regex: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A topic filter at a broker. Every condition of `when` must hold.

    `shared_group`: its members share the messages; empty: none. `retained`: what the broker had
    kept counts, too. `at_once`: for how many messages each action runs at the same time; `rate`:
    for how many a minute actions run at all.
    """

    broker: str
    topic: str
    shared_group: str
    qos: int
    retained: bool
    enabled: bool
    description: str
    when: tuple[Condition, ...]
    at_once: int
    rate: int
    actions: tuple[Action | Operation, ...]

    @property
    def filter(self) -> str:
        """What the broker is asked for."""
        return f"$share/{self.shared_group}/{self.topic}" if self.shared_group else self.topic


@shaped(words(r"[^\u0000-\u001f]+"))
def _filter(value: Any) -> str:
    """A topic, or a filter with + and #."""
    found = plain(some_text(value))
    parts = found.split("/")
    if found.startswith("$share/"):
        hint = f"shared_group: {parts[1]}" if len(parts) > 1 else ""
        raise Fault("bad_topic", "the group that shares it has a key of its own", hint=hint)
    if not found.isprintable() or len(found.encode()) > _LONGEST:
        raise Fault("bad_topic", f"expected at most {_LONGEST} bytes and no control characters")
    if any("#" in part and (part != "#" or at < len(parts) - 1) for at, part in enumerate(parts)):
        raise Fault("bad_topic", "# stands alone, and last")
    if any("+" in part and part != "+" for part in parts):
        raise Fault("bad_topic", "+ stands for a whole segment")
    return found


@shaped(words(_GROUP.pattern))
def _group(value: Any) -> str:
    found = plain(some_text(value))
    if not _GROUP.fullmatch(found):
        raise expected("a name without /, + and #", value)
    return found


@shaped(words(_PATH.pattern))
def _path(value: Any) -> str:
    found = plain(some_text(value))
    if not _PATH.fullmatch(found):
        raise expected("keys joined by dots, such as args.service", value)
    return found


@shaped({"type": ["string", "number", "boolean"]})
def _value(value: Any) -> str:
    """A value as its text; numbers and truth values as JSON writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else plain(text(value))


def _condition(**keys: Any) -> Condition:
    if {"equals", "regex"} <= keys.keys():
        raise Fault("wrong_value", "a condition has equals or regex, not both")
    if not keys:
        raise Fault("missing_key", "a condition needs path, equals or regex", at_key=True)
    return Condition(**{"path": "", "equals": None, "regex": None} | keys)


_CONDITION: Final = Into(
    Mapping(
        {
            vol.Optional("path"): _path,
            vol.Optional("equals"): _value,
            vol.Optional("regex"): regex,
        }
    ),
    _condition,
)
SUBSCRIPTION: Final = Into(
    Mapping(
        {
            vol.Required("broker"): name,
            vol.Required("topic"): _filter,
            vol.Optional("shared_group"): _group,
            vol.Optional("qos", default=1): whole(0, 2),
            vol.Optional("retained", default=False): boolean,
            vol.Optional("enabled", default=True): boolean,
            vol.Optional("description", default=""): text,
            vol.Optional("when", default=list): Listing(_CONDITION, most=16),
            vol.Optional("at_once", default=4): whole(1, 64),
            vol.Optional("rate", default=6000): whole(1, 1_000_000),
            vol.Optional("actions", default=list): actions(WORDS, OPERATIONS),
        }
    ),
    lambda **keys: Subscription(**{"shared_group": ""} | keys),
)
SUBSCRIPTIONS: Final = Named(SUBSCRIPTION)
"""The mapping below `subscriptions:`; its defaults stand here and nowhere else."""
