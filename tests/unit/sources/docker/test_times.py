from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.record import time_text
from towline.sources.docker.times import first_since, since_text

TEN = 1_795_255_200


@given(ns=st.integers(min_value=0, max_value=4_000_000_000 * 10**9))
def test_since_names_the_very_nanosecond(ns: int) -> None:
    seconds, _, fraction = since_text(time_text(ns)).partition(".")
    assert int(seconds) * 10**9 + int(fraction) == ns
    assert len(fraction) == 9


@pytest.mark.parametrize(
    ("time", "since"),
    [
        ("2026-11-21T10:00:00Z", f"{TEN}.000000000"),
        ("2026-11-21T10:00:00.5Z", f"{TEN}.500000000"),
        ("2026-11-21T10:00:00.1234567899Z", f"{TEN}.123456789"),
    ],
)
def test_fractions_of_any_length_become_nanoseconds(time: str, since: str) -> None:
    assert since_text(time) == since


def test_since_goes_back_whole_seconds() -> None:
    assert since_text("2026-11-21T10:00:00.5Z", back=1) == f"{TEN - 1}.500000000"


@given(text=st.text())
def test_what_is_no_time_is_a_value_error_and_nothing_else(text: str) -> None:
    try:
        since_text(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("created", "since"),
    [
        ("2026-11-21T09:59:59.1Z", f"{TEN}.000000000"),
        ("2026-11-21T10:00:00.1Z", ""),
        ("", f"{TEN}.000000000"),
        ("never", f"{TEN}.000000000"),
    ],
)
def test_the_first_read_begins_where_retention_does(created: str, since: str) -> None:
    assert first_since(created, 60, now=lambda: TEN + 60) == since


def test_a_retention_longer_than_time_itself_begins_at_its_beginning() -> None:
    assert first_since("", 10**12, now=lambda: TEN) == "0.000000000"
