from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from towline.config.homeassistant import LANGUAGES
from towline.homeassistant.words import Words, language


def leaves(found: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in found.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_says_everything(code: str) -> None:
    english, other = dict(leaves(language("en"))), dict(leaves(language(code)))
    assert english.keys() == other.keys()
    for key, text in english.items():
        assert other[key].strip()
        assert fields(other[key]) == fields(text), key


def test_a_key_that_there_is_not_is_an_error() -> None:
    with pytest.raises(KeyError):
        Words("en").entity("colour")
