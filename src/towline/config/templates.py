"""Validators of templates: texts that name words in braces, for topics, bodies and addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from towline.config.faults import Fault, expected, shown
from towline.config.fields import plain, publish_topic, some_text
from towline.config.shapes import TEXT, shaped, words

FIELD: Final = "fields."
"""What a word begins with that names a parsed field of the record."""

PLACEHOLDER: Final = re.compile(r"\{([a-z_]+(?:\.[^{}\s]+)?)\}")
_BRACES: Final = re.compile(r"\{([^{}]*)\}")
Known = tuple[str, ...]
"""Words that a template may name; `fields.` among them allows every field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is sent: a template; as `json`, values are written into it as JSON writes texts."""

    text: str
    json: bool


def fits(word: str, known: Known) -> bool:
    """Whether a template may name a word."""
    return word in known or (FIELD in known and word.startswith(FIELD) and word != FIELD)


def _check(found: str, word: str, known: Known) -> None:
    if not fits(word, known):
        words_ = ", ".join(f"{each}NAME" if each == FIELD else each for each in known)
        wanted = f"unknown placeholder {{{word}}}; one of: {words_}"
        raise Fault("unknown_placeholder", wanted, word=word, known=known)


def strict(known: Known) -> Callable[[str], str]:
    """A text in which every brace belongs to a placeholder."""

    def validate(found: str) -> str:
        for word in _BRACES.findall(found):
            _check(found, word, known)
        if set("{}") & set(_BRACES.sub("", found)):
            raise Fault("bad_template", f"a brace without its partner in {shown(found)}")
        return found

    return validate


def lenient(known: Known) -> Callable[[Any], str]:
    """A text in which `{word}` is a placeholder and other braces are themselves."""

    @shaped(TEXT)
    def validate(value: Any) -> str:
        found = plain(some_text(value))
        for word in PLACEHOLDER.findall(found):
            _check(found, word, known)
        return found

    return validate


def topic(known: Known) -> Callable[[Any], str]:
    """A topic to publish to, every segment of which may name words."""
    whole = strict(known)

    @shaped(words(r"[^+#$\u0000-\u001f][^+#\u0000-\u001f]*"))
    def validate(value: Any) -> str:
        return whole(publish_topic(value))

    return validate


def body(known: Known) -> Callable[[Any], Body]:
    """A text, or a mapping or list that is sent as JSON."""
    fill = lenient(known)

    @shaped({"type": ["string", "integer", "object", "array"]})
    def validate(value: Any) -> Body:
        if isinstance(value, dict | list):
            held = fill(json.dumps(_revealed(value), ensure_ascii=False))
            return Body(text=held, json=True)
        return Body(text=fill(value), json=False)

    return validate


def _revealed(value: Any) -> Any:
    """Plain data for JSON."""
    if isinstance(value, dict):
        return {plain(str(key)): _revealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_revealed(item) for item in value]
    if isinstance(value, str):
        return plain(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise expected("plain values", value)
