"""How the one match language is written."""

from __future__ import annotations

from typing import Any, Final

import voluptuous as vol

from towline.config.compound import Into, Listing, Mapping, checked
from towline.config.faults import Fault, expected
from towline.config.fields import PATTERNS, level, one_of, plain, regex, shell_patterns, some_text
from towline.config.settings import Match
from towline.config.shapes import Either, Named, shaped

_PATTERNS = ("name", "service", "project", "app", "container", "image", "device", "source")


def _some(word: Any) -> Any:
    """A word or a list of them, as a tuple."""
    items = Listing(word, least=1)

    @shaped(Either((word, items)))
    def validate(value: Any) -> Any:
        return items(value) if isinstance(value, list) else (word(value),)

    return validate


@shaped(PATTERNS)
def _labels(value: Any) -> tuple[str, ...]:
    patterns = shell_patterns(value)
    for label in patterns:
        if not label.partition("=")[0].strip():
            raise Fault("wrong_value", f"expected a label or label=pattern, not {label!r}")
    return patterns


@shaped(
    {
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean"]},
        "minProperties": 1,
    }
)
def match_fields(value: Any) -> tuple[tuple[str, str], ...]:
    """Names of parsed fields, each with a pattern."""
    if not isinstance(value, dict) or not value:
        raise expected("a mapping of field names and patterns", value)
    faults: list[vol.Invalid] = []
    pairs = []
    for name, pattern in value.items():
        found, wrong = checked(_field_pattern, pattern)
        for fault in wrong:
            fault.prepend([name])
        faults += wrong
        pairs.append((name, found))
    if faults:
        raise vol.MultipleInvalid(faults)
    return tuple(pairs)


def _field_pattern(value: Any) -> str:
    """A pattern over a field's text; numbers and truth values as JSON writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    return plain(some_text(value))


def _match(**keys: Any) -> Match:
    return Match(
        negated=keys.pop("not", None),
        alternatives=keys.pop("any", ()),
        **keys,
    )


@shaped(Named("match", lambda: _KEYS))
def match(value: Any) -> Match:
    """A match; without keys it holds for everything."""
    return _MATCH(value)  # type: ignore[no-any-return]


_KEYS: Mapping = Mapping(
    {vol.Optional(key): shell_patterns for key in _PATTERNS}
    | {
        vol.Optional("label"): _labels,
        vol.Optional("stream"): _some(one_of("stdout", "stderr")),
        vol.Optional("level"): _some(level),
        vol.Optional("min_level"): level,
        vol.Optional("regex"): regex,
        vol.Optional("fields"): match_fields,
        vol.Optional("not"): match,
        vol.Optional("any"): Listing(match, least=1),
    }
)
_MATCH = Into(_KEYS, _match)

MATCH_KEYS: Final = tuple(str(key) for key in _KEYS.schema)
"""Every key of the match language."""
