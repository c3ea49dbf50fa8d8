"""What `homeassistant:` says: how Towline and its containers show themselves there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config.compound import Into, Listing, Mapping
from towline.config.faults import expected
from towline.config.fields import boolean, name, one_of, plain, some_text, whole
from towline.config.match import match
from towline.config.settings import Match
from towline.config.shapes import shaped, words

LANGUAGES: Final = ("en", "de")
_PREFIX: Final = re.compile(r"[^+#/\x00-\x1f\x7f\s]+(?:/[^+#/\x00-\x1f\x7f\s]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistant:
    """Discovery over one broker. An empty `broker` is the first one of the file.

    Where `discovery` is off, what was announced before is taken back; None does neither.

    `events`: of which records the `log` event tells, at most `event_rate` a minute of each
    container. `allow`: containers that may be started and stopped, where `controls` are on.
    """

    discovery: bool | None
    prefix: str
    broker: str
    language: str
    include: tuple[Match, ...]
    exclude: tuple[Match, ...]
    events: tuple[Match, ...]
    event_rate: int
    controls: bool
    allow: tuple[Match, ...]


@shaped(words(_PREFIX.pattern))
def _prefix(value: Any) -> str:
    found = plain(some_text(value))
    if not _PREFIX.fullmatch(found):
        raise expected("a topic without wildcards, such as homeassistant", value)
    return found


@shaped(words(r"[A-Za-z0-9_-]{0,64}"))
def _broker(value: Any) -> str:
    return name(value) if value else ""


HOMEASSISTANT: Final = Into(
    Mapping(
        {
            vol.Optional("discovery"): boolean,
            vol.Optional("prefix", default="homeassistant"): _prefix,
            vol.Optional("broker", default=""): _broker,
            vol.Optional("language", default="en"): one_of(*LANGUAGES),
            vol.Optional("include", default=[{"name": "*"}]): Listing(match),
            vol.Optional("exclude", default=list): Listing(match),
            vol.Optional("events", default=[{"min_level": "error"}]): Listing(match),
            vol.Optional("event_rate", default=12): whole(1, 600),
            vol.Optional("controls", default=False): boolean,
            vol.Optional("allow", default=[{"name": "*"}]): Listing(match),
        }
    ),
    lambda **keys: HomeAssistant(**{"discovery": None, **keys}),
)
