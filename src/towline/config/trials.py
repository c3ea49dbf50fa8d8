"""How the cases of `tests:` are written: a line that is given, and what must come of it."""

from __future__ import annotations

from typing import Any

import voluptuous as vol

from towline.config.alerts import EVENTS
from towline.config.compound import Into, Listing, Mapping
from towline.config.faults import Fault, expected
from towline.config.fields import boolean, level, name, one_of, plain, some_text, text, whole
from towline.config.match import match_fields
from towline.config.settings import Case, Expected, Given
from towline.config.shapes import TEXT, Either, shaped

NAMES = ("name", "service", "project", "app", "container", "image", "source")
"""What an origin may be called in a case, in the words of the match language."""

_backends = Listing(name)


@shaped(Either((name, _backends)))
def _targets(value: Any) -> tuple[str, ...]:
    """A backend or a list of them; an empty list is nowhere."""
    found = _backends(value) if isinstance(value, list) else (name(value),)
    return tuple(found)


@shaped({"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}})
def _labels(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise expected("a mapping of labels and their values", value)
    return tuple((str(key), _label(item)) for key, item in value.items())


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else plain(text(value))


@shaped(TEXT)
def _message(value: Any) -> str:
    """A line; what a block of YAML ends with does not belong to it."""
    return plain(text(value)).removesuffix("\n")


def _given(**keys: Any) -> Given:
    blank: dict[str, Any] = dict.fromkeys((*NAMES, "level"), "")
    return Given(**{**blank, "labels": (), "event": "", "exit_code": None, **keys})


def _expected(**keys: Any) -> Expected:
    if not keys:
        known = ", ".join(str(key) for key in _EXPECT.schema)
        raise Fault("missing_key", f"nothing is expected; write one of {known}", at_key=True)
    blank: dict[str, Any] = {"to": None, "not_to": (), "level": "", "message": None, "fields": ()}
    blank |= {"alerts": None, "dropped": None}
    return Expected(**{**blank, **keys})


def _case(**keys: Any) -> Case:
    return Case(**keys, file="", line=0, column=0)


_GIVEN = Mapping(
    {
        vol.Required("message"): _message,
        vol.Optional("level"): level,
        vol.Optional("stream", default="stdout"): one_of("stdout", "stderr"),
    }
    | {vol.Optional(key): some_text for key in NAMES}
    | {
        vol.Optional("labels"): _labels,
        vol.Optional("event"): one_of(*EVENTS),
        vol.Optional("exit_code"): whole(0, 255),
    }
)
_EXPECT = Mapping(
    {
        vol.Optional("to"): _targets,
        vol.Optional("not_to"): _targets,
        vol.Optional("level"): level,
        vol.Optional("message"): _message,
        vol.Optional("fields"): match_fields,
        vol.Optional("alerts"): _targets,
        vol.Optional("dropped"): boolean,
    }
)
CASES = Listing(
    Into(
        Mapping(
            {
                vol.Required("name"): some_text,
                vol.Required("given"): Into(_GIVEN, _given),
                vol.Required("expect"): Into(_EXPECT, _expected),
            }
        ),
        _case,
    )
)
"""The list below `tests:`."""
