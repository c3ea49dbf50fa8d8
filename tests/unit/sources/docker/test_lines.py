from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.sources.docker.rows import START, frame, parts, row
from towline.record import time_text
from towline.sources.docker.lines import MAX_LINE, Lines

NOW = START + 12_345_678_901


@dataclass
class Sent:
    """What a container wrote: a line to a stream, and how it is cut into rows."""

    text: bytes
    stderr: bool
    part: int


SENT = st.lists(
    st.builds(
        Sent,
        st.text("abc \r", max_size=40).map(str.encode),
        st.booleans(),
        st.integers(min_value=1, max_value=15),
    ),
    max_size=12,
)


def lines_of(rows: list[bytes], **how: bool) -> list[tuple[str, bool, int]]:
    found = Lines(clock=lambda: NOW, **how).feed(rows)
    return [(line.text, line.stderr, line.seq) for line in found]


@given(sent=SENT, data=st.data())
def test_parts_interleaved_between_streams_join_to_what_each_stream_wrote(
    sent: list[Sent], data: st.DataObject
) -> None:
    queues: dict[bool, list[tuple[bytes, int]]] = {False: [], True: []}
    for ns, line in enumerate(sent):
        for part in parts(line.text + b"\n", line.part):
            queues[line.stderr].append((part, ns))
    rows = []
    while queues[False] or queues[True]:
        stderr = data.draw(st.sampled_from([key for key in queues if queues[key]]))
        part, ns = queues[stderr].pop(0)
        rows.append(row(part, ns=ns, stderr=stderr))
    found = Lines().feed(rows)
    for stderr in (False, True):
        want = [line.text.decode() for line in sent if line.stderr == stderr]
        assert [line.text for line in found if line.stderr == stderr] == want
    assert [line.seq for line in found] == sorted({line.seq for line in found})


@given(rows=st.lists(st.binary(max_size=80)), cut=st.integers(min_value=0, max_value=80))
def test_no_row_however_malformed_is_a_fault(rows: list[bytes], cut: int) -> None:
    sent = [frame(text) for text in rows] + [row(b"sound\n")[:cut] or b"\x01"]
    lines = Lines(clock=lambda: NOW)
    found = lines.feed(sent) + lines.flush()
    assert lines.seq == len(sent)
    for line in found:
        assert line.time[:23] == time_text(line.timestamp * 1_000_000)[:23]


@pytest.mark.parametrize(
    "time",
    [
        b"",
        b"2026-11-21T10:00:00.000000000",
        b"2026-11-21T10:00:00.00000000xZ",
        b'2026-11-21T10:00:00.000"00000Z',
        b"2026-13-21T10:00:00.000000000Z",
        b"2026-11-21 10:00:00.000000000Z",
        b"2026-11-21T10:00:00.0x0000000Z",
        b"\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa6-11-21T10:00:00.00Z",
        b"\xff" * 30,
    ],
)
def test_a_row_without_a_sound_time_keeps_its_text_and_gets_the_time_of_its_arrival(
    time: bytes,
) -> None:
    (line,) = Lines(clock=lambda: NOW).feed([frame(time + b" hello\n")])
    assert line.text.endswith("hello")
    assert (line.time, line.timestamp) == (time_text(NOW), NOW // 1_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "one\u2028two\u2029three\x85four",
        "a\vb\fc\x1cd\x1ee",
        "nul\0nul",
        "\x1b[31mred\x1b[0m\x1b]8;;http://x\x07",
        "half\rdone\r",
        "🧪 ünï",
    ],
)
def test_one_row_is_one_line_whatever_is_in_it(text: str) -> None:
    assert lines_of([row(text.encode() + b"\n")]) == [(text, False, 1)]


def test_bytes_that_are_not_utf8_become_replacement_characters_and_keep_their_time() -> None:
    (line,) = Lines().feed([row(b"a\xffb\n", ns=1_500_000_001)])
    assert line.text == "a\N{REPLACEMENT CHARACTER}b"
    assert line.time == "2026-11-21T10:00:01.500000001Z"
    assert line.timestamp == (START + 1_500_000_001) // 1_000_000


def test_a_terminals_carriage_return_belongs_to_the_end_of_the_line() -> None:
    assert lines_of([row(b"a\r\n"), row(b"\r\n"), row(b"b\rc\n")], terminal=True) == [
        ("a", False, 1),
        ("", False, 2),
        ("b\rc", False, 3),
    ]
    assert lines_of([row(b"a\r\n")]) == [("a\r", False, 1)]


def test_a_line_has_the_time_of_its_first_part_and_the_number_of_its_last() -> None:
    rows = [row(b"a", ns=1), row(b"other\n", ns=5, stderr=True), row(b"b\n", ns=1)]
    other, line = Lines().feed(rows)
    assert (other.text, other.seq) == ("other", 2)
    assert (line.text, line.seq, line.time) == ("ab", 3, time_text(START + 1))


def test_a_short_part_ends_the_line_where_the_next_row_has_another_time() -> None:
    rows = [row(b"$ exit", ns=1), row(b"err\n", ns=2, stderr=True), row(b"again\n", ns=3)]
    assert lines_of(rows) == [("err", True, 2), ("$ exit", False, 1), ("again", False, 3)]


def test_a_full_part_goes_on_whatever_the_next_rows_time() -> None:
    part = b"x" * 16_384  # journald stamps each part
    rows = [row(part, ns=1), row(part, ns=2), row(b"end\n", ns=3)]
    assert lines_of(rows) == [("x" * 32_768 + "end", False, 3)]


def test_a_line_without_end_is_handed_on_in_pieces() -> None:
    part = b"x" * 16_384
    count = MAX_LINE // len(part)
    lines = Lines()
    found = lines.feed([row(part)] * (2 * count) + [row(b"end\n")])
    assert [(len(line.text), line.seq, line.extra) for line in found] == [
        (MAX_LINE, count, ',"partial":true'),
        (MAX_LINE, 2 * count, ',"partial":true'),
        (3, 2 * count + 1, ""),
    ]
    assert not lines.pending


def test_a_flush_hands_on_what_stands_open_each_with_its_own_last_row() -> None:
    lines = Lines()
    lines.feed([row(b"err", stderr=True), row(b"out"), row(b"or", stderr=True)])
    assert [(line.text, line.seq, line.extra) for line in lines.flush()] == [
        ("out", 2, ',"partial":true'),
        ("error", 3, ',"partial":true'),
    ]
    assert not lines.pending


def test_a_flush_leaves_alone_what_grew_meanwhile() -> None:
    lines = Lines()
    lines.feed([row(b"slow"), row(b"fast", stderr=True)])
    still = lines.newest_parts()
    lines.feed([row(b"er", stderr=True)])
    assert [line.text for line in lines.flush(still)] == ["slow"]
    assert [line.text for line in lines.feed([row(b"!\n", stderr=True)])] == ["faster!"]


def test_an_open_line_begins_at_its_first_row() -> None:
    lines = Lines(seq=10)
    lines.feed([row(b"a\n"), row(b"b", stderr=True), row(b"c\n")])
    assert (lines.begun(False), lines.begun(True)) == (14, 12)


@given(texts=st.lists(st.binary(max_size=50), min_size=1))
@settings(max_examples=50)
def test_rows_fed_one_by_one_are_rows_fed_at_once(texts: list[bytes]) -> None:
    rows = [row(text, ns=ns) for ns, text in enumerate(texts)]
    one_by_one = Lines()
    found = [line for each in rows for line in one_by_one.feed([each])]
    assert found == Lines().feed(rows)
