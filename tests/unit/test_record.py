from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.record import (
    LEVELS,
    RANK,
    Line,
    Origin,
    OriginType,
    Record,
    parse_id,
    record_id,
    time_text,
)

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", container_id="abc", engine="E")
offsets = st.integers(0, (1 << 64) - 1)


@given(offsets, offsets)
def test_ids_sort_like_offsets_and_read_back(one: int, other: int) -> None:
    assert parse_id(record_id(one)) == one
    assert (record_id(one) < record_id(other)) == (one < other)


@pytest.mark.parametrize("text", ["", "1", "x" * 16, "0" * 15, "0" * 17, "-00000000000000f"[:15]])
def test_a_text_that_is_no_id_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_id(text)


@pytest.mark.parametrize(
    "text",
    [" 00000000000000f", "+00000000000000f", "0x0000000000000f", "00_000000000000f",
     "-00000000000000f", "00000000000000\u0661f"],
)  # fmt: skip
def test_only_hexadecimal_digits_are_an_id(text: str) -> None:
    with pytest.raises(ValueError, match="not a record id"):
        parse_id(text)


@given(st.integers(0, 253402300799_999_999_999))
def test_a_time_keeps_its_nanoseconds(ns: int) -> None:
    text = time_text(ns)
    assert len(text) == 30
    seconds, _, fraction = text.rstrip("Z").partition(".")
    whole = int(datetime.fromisoformat(seconds + "+00:00").timestamp())
    assert whole * 1_000_000_000 + int(fraction) == ns


def test_an_identity_survives_a_new_container() -> None:
    again = replace(WEB, container_id="def", engine="F", image="web:2")
    assert again != WEB
    assert again.key == WEB.key == "pi/container/web"
    assert replace(WEB, name="db").key != WEB.key
    assert replace(WEB, device="nas").key != WEB.key


def test_levels_are_ranked_as_they_are_listed() -> None:
    assert [RANK[level] for level in LEVELS] == list(range(6))


def test_a_record_cannot_be_changed_and_a_line_can() -> None:
    record = Record(255, WEB, 1, "info", False, 0, "m", b"{}")
    assert record.id == "00000000000000ff"
    with pytest.raises(AttributeError):
        record.message = "other"  # type: ignore[misc]
    line = Line("m", "", 0)
    line.text = "other"
    assert line.text == "other"
