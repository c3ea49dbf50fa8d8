from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import voluptuous as vol
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.backends.records import OWN, TIMESTAMP, WEB, configured, record
from towline.backends.balena import KIND
from towline.backends.log_stream import Pace, Timing, line
from towline.record import Record


def written(found: Record) -> Any:
    data = line(found)
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    return json.loads(data)


def test_a_containers_line_names_its_service() -> None:
    plain = {"message": "hello", "timestamp": TIMESTAMP, "serviceId": 2}
    assert written(record()) == plain
    assert written(record(stderr=True)) == plain | {"isStdErr": True}


def test_what_towline_says_is_of_the_system_and_of_no_service() -> None:
    for found in (record(origin=OWN), record(system=True)):
        assert written(found) == {"message": "hello", "timestamp": TIMESTAMP, "isSystem": True}


def test_without_a_service_a_line_is_just_a_line() -> None:
    found = written(record(origin=replace(WEB, service_id=None)))
    assert found == {"message": "hello", "timestamp": TIMESTAMP}


@pytest.mark.parametrize(("length", "kept"), [(10_000, 10_000), (10_001, 9_995)])
def test_a_message_of_more_than_10000_characters_is_cut(length: int, kept: int) -> None:
    message = written(record("é" * length))["message"]
    assert message == "é" * kept + ("[...]" if kept < length else "")


@given(st.lists(st.tuples(st.integers(1, Timing().lines), st.floats(0, 1)), max_size=200))
def test_in_no_half_second_go_more_than_fifty_lines(chunks: list[tuple[int, float]]) -> None:
    pace, now = Pace(Timing()), 1000.0
    gone: list[tuple[float, int]] = []
    for count, pause in chunks:
        now += pause
        now += pace.wait(count, now)
        gone.append((now, count))
    for at, _ in gone:
        assert sum(count for moment, count in gone if at <= moment < at + 0.4999) <= 50


def test_lines_now_and_then_need_not_wait() -> None:
    pace = Pace(Timing())
    assert [pace.wait(1, second) for second in range(5)] == [0] * 5


@pytest.mark.parametrize(
    "keys",
    [
        {"uuid": "abc123"},
        {"key": "x"},
        {"uuid": "../x", "key": "x"},
        {"uuid": "abc123", "key": "x", "url": "ftp://x"},
        {"uuid": "abc123", "key": "two\nlines"},
        {"uuid": "abc123", "key": ""},
    ],
)
def test_a_wrong_value_is_refused(keys: dict[str, str]) -> None:
    with pytest.raises(vol.Invalid):
        configured(KIND, **keys)


def test_a_key_that_others_can_read_is_worth_a_warning() -> None:
    found = configured(KIND, url="http://api", uuid="abc123", key="x")
    assert [doubt.code for doubt in KIND.doubts(found)] == ["unprotected"]
    assert not list(KIND.doubts(configured(KIND, uuid="abc123", key="x")))
