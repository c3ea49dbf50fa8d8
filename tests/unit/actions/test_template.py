from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from towline.actions.template import Template, in_header, in_json, in_topic, in_url


def test_words_are_filled_in_and_those_without_a_value_are_empty() -> None:
    found = Template("{service}: {message}{nothing}!").fill({"service": "web", "message": "hi"})
    assert found == "web: hi!"


def test_what_a_word_gives_is_never_a_template() -> None:
    assert Template("{message}").fill({"message": "{secret}", "secret": "x"}) == "{secret}"


def test_fields_have_names_of_any_kind() -> None:
    assert Template("{fields.http.status-1}").fill({"fields.http.status-1": "500"}) == "500"


@given(st.text(st.characters()))
def test_a_value_stays_inside_its_text_in_json(value: str) -> None:
    found = Template('{"a": "{message}", "b": 1}', in_json).fill({"message": value})
    parsed = json.loads(found)
    assert list(parsed) == ["a", "b"]
    assert parsed["a"] == value.encode(errors="replace").decode()


@given(st.text(st.characters()))
def test_a_value_stays_in_its_part_of_an_address(value: str) -> None:
    url = Template("https://host/a/{message}/b?q={message}&c=1", in_url).fill({"message": value})
    parts = urlsplit(url)
    assert parts.netloc == "host"
    assert parts.path.count("/") == 3
    assert parts.fragment == ""
    found = dict(parse_qsl(parts.query, keep_blank_values=True))
    assert set(found) == {"q", "c"}


@given(st.text(st.characters()))
def test_a_value_is_one_line_of_a_header(value: str) -> None:
    found = Template("{message}", in_header).fill({"message": value})
    assert not set(found) & set("\r\n\0")
    found.encode()


@given(st.text(st.characters()))
def test_a_value_is_one_segment_of_a_topic(value: str) -> None:
    assert Template("a/{message}/b", in_topic).fill({"message": value}).count("/") == 2
