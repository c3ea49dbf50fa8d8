from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.broker.filters import fault, identifier, matches


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("#", "$SYS/a", False),
        ("+/a", "$SYS/a", False),
        ("$SYS/#", "$SYS/a", True),
        ("+/+", "/a", True),
        ("/+", "/a", True),
        ("+", "/a", False),
        ("$share/hub/a/#", "a/b", True),
        ("$share/hub/#", "$SYS/a", False),
    ],
)
def test_a_filter_takes_the_topics_that_the_standard_says(
    topic_filter: str, topic: str, expected: bool
) -> None:
    assert matches(topic_filter, topic) is expected


@pytest.mark.parametrize("sound", ["a", "#", "+", "a/+/b/#", "/", "$SYS/#", "$share/g/a/#"])
def test_a_sound_filter_has_no_fault(sound: str) -> None:
    assert not fault(sound)


@pytest.mark.parametrize(
    "bad", ["", "a/#/b", "a#", "a+/b", "a\0b", "$share/g", "$share/+/a", "x" * 2000, "a\nb"]
)
def test_what_is_no_filter_is_told(bad: str) -> None:
    assert fault(bad)


@given(st.text(), st.text())
def test_nothing_makes_it_raise(topic_filter: str, topic: str) -> None:
    fault(topic_filter)
    matches(topic_filter, topic)
    assert 0 < identifier(topic_filter) <= 268_435_455
