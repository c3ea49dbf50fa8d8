"""Texts with words in braces, filled in for one occasion."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from towline.broker.topics import segment
from towline.config.templates import PLACEHOLDER

_CONTROL: Final = re.compile("[\x00-\x1f\x7f]+")
Escape = Callable[[str], str]


def as_is(text: str) -> str:
    """For a body of plain text."""
    return text


def in_json(text: str) -> str:
    """For the inside of a text in JSON."""
    return msgspec.json.encode(text.encode(errors="replace").decode()).decode()[1:-1]


def in_url(text: str) -> str:
    """For one part of an address: nothing in it means anything."""
    return quote(text, safe="", errors="replace")


def in_header(text: str) -> str:
    """For a header: a value cannot begin another one."""
    return _CONTROL.sub(" ", text).encode(errors="replace").decode().strip()


in_topic: Final[Escape] = segment
"""For a segment of a topic."""


class Template:
    """A text whose words are filled in, each made harmless for the place where it stands."""

    def __init__(self, text: str, escape: Escape = as_is) -> None:
        # text and words by turns: what a word gives is never read as a template again
        self._parts = PLACEHOLDER.split(text)
        self._escape = escape

    def fill(self, words: Mapping[str, str]) -> str:
        """The text for these words."""
        parts = list(self._parts)
        parts[1::2] = [self._escape(words.get(word, "")) for word in parts[1::2]]
        return "".join(parts)
