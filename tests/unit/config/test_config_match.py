from __future__ import annotations

from typing import Any

import pytest
import voluptuous as vol

from towline.config.match import MATCH_KEYS, match
from towline.config.settings import Match
from towline.pipeline.match import compile_match


def test_values_and_lists_are_written_alike() -> None:
    assert match({"service": "web", "app": [1001, "x-*"]}) == Match(
        service=("web",), app=("1001", "x-*")
    )


def test_an_empty_match_holds_for_everything() -> None:
    assert match({}) == Match()


def test_not_and_any_hold_matches_of_their_own() -> None:
    found = match({"not": {"level": "debug"}, "any": [{"stream": "stderr"}, {"min_level": "warn"}]})
    assert found == Match(
        negated=Match(level=("debug",)),
        alternatives=(Match(stream=("stderr",)), Match(min_level="warn")),
    )


def test_fields_are_patterns_over_what_json_would_write() -> None:
    found = match({"fields": {"attempt": 3, "ok": True, "event": "db_*"}})
    assert found.fields == (("attempt", "3"), ("ok", "true"), ("event", "db_*"))


@pytest.mark.parametrize(
    "value",
    [
        {"service": []},
        {"service": ""},
        {"level": "loud"},
        {"stream": ["stdout", "sterr"]},
        {"regex": "("},
        {"label": "=x"},
        {"fields": {}},
        {"fields": {"a": []}},
        {"any": []},
        {"not": "web"},
        {"servcie": "web"},
        "web",
    ],
)
def test_what_is_no_match_is_refused(value: Any) -> None:
    with pytest.raises(vol.Invalid):
        match(value)


def test_every_key_of_the_language_can_be_written_and_compiled() -> None:
    whole: dict[str, Any] = dict.fromkeys(MATCH_KEYS, "x")
    whole |= {"stream": "stdout", "level": "info", "min_level": "info", "fields": {"a": "b"}}
    whole |= {"not": {"name": "y"}, "any": [{"name": "z"}], "label": ["a", "b=c*"]}
    assert compile_match(match(whole)) is not None
