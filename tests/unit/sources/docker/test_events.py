from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sources.docker.rows import CUTS, pieces
from towline.errors import SourceError
from towline.sources.docker.events import EventLines

EVENTS = st.lists(st.dictionaries(st.text(), st.text()))


@given(events=EVENTS, cuts=CUTS)
def test_events_in_any_pieces_are_those_that_were_sent(
    events: list[dict[str, str]], cuts: list[int]
) -> None:
    taken: list[Any] = []
    lines = EventLines(taken.append)
    for piece in pieces(b"".join(json.dumps(event).encode() + b"\n" for event in events), cuts):
        lines.feed(piece)
    assert taken == events


@given(data=st.binary(), cuts=CUTS)
def test_what_is_no_event_is_a_source_error_and_nothing_else(data: bytes, cuts: list[int]) -> None:
    lines = EventLines(lambda _: None)
    try:
        for piece in pieces(data, cuts):
            lines.feed(piece)
    except SourceError:
        return


def test_empty_lines_and_other_json_are_passed_over() -> None:
    taken: list[Any] = []
    EventLines(taken.append).feed(b'\n\r\n[1]\n{"Action":"start"}\n"x"\n')
    assert taken == [{"Action": "start"}]


def test_an_event_that_is_none_says_what_came() -> None:
    with pytest.raises(SourceError, match="not an event: b'<html>'"):
        EventLines(lambda _: None).feed(b"<html>\n")
