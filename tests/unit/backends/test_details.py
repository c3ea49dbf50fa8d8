from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.backends.records import NS, OWN, record
from towline.backends.details import Details, facts, value


def test_nanoseconds_are_those_of_the_text() -> None:
    assert Details(record()).ns == NS


def test_a_time_without_them_is_still_a_time() -> None:
    assert Details(record(time="soon")).ns // 1_000_000 == NS // 1_000_000


@given(st.text())
def test_whatever_the_line_is_the_rest_is_found(text: str) -> None:
    found = Details(record(text, fields='{"a":1}'))
    assert (found.ns, found.fields) == (NS, {"a": 1})


@pytest.mark.parametrize("depth", [101, 900, 984, 5000])
def test_fields_nested_without_end_are_left_out(depth: int) -> None:
    found = Details(record(fields='{"a":' + "[" * depth + "]" * depth + "}"))
    assert (found.ns, found.fields) == (NS, {})


def test_many_brackets_are_not_deep() -> None:
    found = Details(record(fields='{"a":' + str([[]] * 200) + "}"))
    assert found.fields == {"a": [[]] * 200}


def test_fields_as_texts_are_few_and_short() -> None:
    names = ",".join(f'"f{number}":"{"x" * 600}"' for number in range(100))
    found = Details(record(fields=f"{{{names}}}")).flat_fields
    assert len(found) == 64
    assert {len(text) for text in found.values()} == {512}


def test_what_is_not_known_is_said_so() -> None:
    assert value(record(origin=OWN), "project") == "unknown"
    assert value(record(stderr=True), "stream") == "stderr"
    assert facts(OWN) == {"device": "pi", "name": "towline", "type": "system"}
