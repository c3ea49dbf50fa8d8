"""What `pipeline:` says: which steps lines take before they are stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import voluptuous as vol

from towline.config.compound import Into, Listing, Mapping
from towline.config.faults import Fault, expected
from towline.config.fields import compile_regex, one_of, plain, regex, text, whole
from towline.config.match import match
from towline.config.replacement import filler
from towline.config.settings import Match
from towline.config.shapes import Either, shaped, words

REDACTION_GROUPS: Final = ("tokens", "urls", "emails")
Over = Literal["fold", "sample", "drop"]

_RATE = re.compile(r"(\d{1,9}) ?/ ?([smh])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_OF_A_LINE: Final = ("stream", "level", "min_level", "regex", "fields")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """Which lines of which origins make one record.

    Either `start`, a pattern that holds for the first line of each record, or `further`, one that
    holds for every line but the first; the other one is empty.
    """

    match: Match
    start: str
    further: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A pattern of the user's own and what replaces each hit."""

    pattern: str
    replacement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many lines a second each origin may write for long, and `burst` at once.

    `every`: of the lines over it, which one `sample` lets through.
    """

    match: Match
    rate: float
    burst: int
    over: Over
    every: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What is done to lines. `redact` holds names of built-in groups and own patterns.

    `multiline` is `auto`, `off`, or patterns; an origin that none of them is for is as with `auto`.
    """

    multiline: Literal["auto", "off"] | tuple[Joining, ...]
    parse: tuple[str, ...]
    redact: tuple[str | Redaction, ...]
    drop: tuple[Match, ...]
    limits: tuple[Limit, ...]


def _own_redaction(**keys: Any) -> Redaction:
    """A pattern and its replacement, which may name the pattern's groups."""
    pattern, replacement = keys["pattern"], keys["with"]
    compiled = compile_regex(pattern)
    try:
        filler(replacement, compiled)
    except (LookupError, ValueError) as exc:
        wanted = f"expected a text that refers to the {compiled.groups} groups of the pattern"
        hint = r"\1 is the first group; a backslash is written \\"
        raise Fault("bad_replacement", wanted, path=["with"], hint=hint) from exc
    return Redaction(pattern=pattern, replacement=replacement)


@shaped({"type": "string", "minLength": 1})
def _pattern(value: Any) -> str:
    """A pattern that does not match an empty text: it would redact between all characters."""
    if compile_regex(value).search("") is not None:
        raise Fault("bad_regex", "this pattern matches an empty text")
    return plain(value)


_OWN_REDACTION = Into(
    Mapping({vol.Required("pattern"): _pattern, vol.Optional("with", default="[REDACTED]"): text}),
    _own_redaction,
)
_GROUP = one_of(*REDACTION_GROUPS)


@shaped(Either((_GROUP, _OWN_REDACTION)))
def _redaction(value: Any) -> str | Redaction:
    if isinstance(value, dict):
        return _OWN_REDACTION(value)  # type: ignore[no-any-return]
    return str(_GROUP(value))


def _joining(**keys: Any) -> Joining:
    found = Joining(
        match=keys["match"], start=keys.get("start", ""), further=keys.get("continue", "")
    )
    if bool(found.start) == bool(found.further):
        wanted = "expected one of start and continue, not both or neither"
        raise Fault("missing_key", wanted, at_key=True)
    if key := _of_a_line(found.match):
        hint = f"of the match language all but: {', '.join(_OF_A_LINE)}"
        wanted = f"{key!r} tells of a line; lines are joined for a whole container"
        raise Fault("wrong_value", wanted, path=["match"], hint=hint)
    return found


def _of_a_line(found: Match) -> str:
    """A key of a match that an origin alone cannot answer, or an empty text."""
    for key in _OF_A_LINE:
        if getattr(found, key):
            return key
    inner = (*found.alternatives, *([found.negated] if found.negated else ()))
    return next((key for each in inner if (key := _of_a_line(each))), "")


_JOININGS = Listing(
    Into(
        Mapping(
            {
                vol.Optional("match", default=dict): match,
                vol.Optional("start"): regex,
                vol.Optional("continue"): regex,
            }
        ),
        _joining,
    ),
    least=1,
    most=100,
)
_WORD = one_of("auto", "off")


@shaped(Either((_WORD, _JOININGS)))
def _multiline(value: Any) -> Any:
    return _JOININGS(value) if isinstance(value, list) else _WORD(value)


@shaped(words(r"\d{1,9} ?/ ?[smh]"))
def _rate(value: Any) -> float:
    """`200/s`, `30/m`, `10/h` as lines per second."""
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found and int(found[1]):
        return int(found[1]) / _SECONDS[found[2]]
    number = isinstance(value, int) and not isinstance(value, bool)
    hint = f"write {value}/s for so many a second" if number else ""
    raise expected("a rate such as 200/s, 30/m or 10/h", value, hint=hint)


def _limit(**keys: Any) -> Limit:
    burst = keys.pop("burst", None) or max(1, round(keys["rate"]))
    return Limit(burst=burst, **keys)


_LIMIT = Into(
    Mapping(
        {
            vol.Optional("match", default=dict): match,
            vol.Required("rate"): _rate,
            vol.Optional("burst"): whole(1, 10_000_000),
            vol.Optional("over", default="fold"): one_of("fold", "sample", "drop"),
            vol.Optional("every", default=10): whole(2, 1_000_000),
        }
    ),
    _limit,
)


@shaped(Either((match,)))
def _dropped(value: Any) -> Match:
    """A match that does not hold for everything: nobody means that."""
    found: Match = match(value)
    if found == Match():
        raise Fault("wrong_value", "this match holds for every line: nothing would be stored")
    return found


SCHEMA: Final = Into(
    Mapping(
        {
            vol.Optional("multiline", default="auto"): _multiline,
            vol.Optional("parse", default=["json", "logfmt"]): Listing(one_of("json", "logfmt")),
            vol.Optional("redact", default=["tokens", "urls"]): Listing(_redaction),
            vol.Optional("drop", default=list): Listing(_dropped),
            vol.Optional("limits", default=list): Listing(_LIMIT, most=100),
        }
    ),
    Pipeline,
)
"""Checks the mapping below `pipeline:`; its defaults stand here and nowhere else."""
