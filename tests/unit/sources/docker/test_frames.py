from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sources.docker.rows import CUTS, frame, pieces, row
from towline.sources.docker.frames import (
    MAX_FRAME,
    PART,
    FramedRows,
    NotFrames,
    Rows,
    TerminalRows,
)

TEXTS = st.lists(st.binary(max_size=60).map(lambda text: text.replace(b"\n", b"") + b"\n"))


def fed(cut: Rows, data: list[bytes]) -> list[bytes]:
    return [found for piece in data for found in cut.feed(piece)]


def terminal(*texts: bytes) -> bytes:
    return b"".join(row(text)[8:] for text in texts)


@given(rows=st.lists(st.builds(row, st.binary(max_size=60), stderr=st.booleans())), cuts=CUTS)
def test_frames_in_any_pieces_are_the_rows_that_were_sent(
    rows: list[bytes], cuts: list[int]
) -> None:
    assert fed(FramedRows(), pieces(b"".join(rows), cuts)) == rows


@given(texts=TEXTS, cuts=CUTS)
def test_a_terminals_stream_in_any_pieces_is_the_rows_that_were_sent(
    texts: list[bytes], cuts: list[int]
) -> None:
    rows = fed(TerminalRows(), pieces(terminal(*texts), cuts))
    assert [found[39:] for found in rows] == texts


@given(data=st.binary(), cuts=CUTS)
def test_bytes_that_are_no_frames_are_refused_and_nothing_else_happens(
    data: bytes, cuts: list[int]
) -> None:
    with suppress(NotFrames):
        fed(FramedRows(), pieces(data, cuts))
    fed(TerminalRows(), pieces(data, cuts))


@pytest.mark.parametrize(
    "data",
    [
        terminal(b"hello\r\n"),
        b"\x01\x00\x00\x01\x00\x00\x00\x01x",
        frame(b"")[:4] + (MAX_FRAME + 1).to_bytes(4, "big"),
        b"\x03\x00\x00\x00" + (MAX_FRAME + 1).to_bytes(4, "big"),
        b"\x04\x00\x00\x00\x00\x00\x00\x01x",
    ],
)
def test_a_header_that_cannot_be_is_refused(data: bytes) -> None:
    with pytest.raises(NotFrames):
        FramedRows().feed(data)


@given(cuts=CUTS)
def test_the_daemons_own_words_are_errors_and_never_rows(cuts: list[int]) -> None:
    before, after = row(b"before\n"), row(b"after\n")
    error = frame(b"Error grabbing logs: unexpected EOF\n", 3)
    cut = FramedRows()
    assert fed(cut, pieces(before + error + after, cuts)) == [before, after]
    assert cut.errors == ["Error grabbing logs: unexpected EOF"]


def test_half_a_frame_at_the_end_is_no_row() -> None:
    cut = FramedRows()
    assert cut.feed(row(b"whole\n") + row(b"half\n")[:-1]) == [row(b"whole\n")]
    assert cut.rest() == b""


@pytest.mark.parametrize("length", [PART - 2, PART - 1, PART, PART + 1, 2 * PART, 40_000])
@given(cuts=CUTS)
def test_times_within_a_terminals_long_line_stand_where_docker_cuts(
    length: int, cuts: list[int]
) -> None:
    line = b"x" * length + b"\r\n"
    cut_by_docker = [line[at : at + PART] for at in range(0, len(line), PART)]
    rows = fed(TerminalRows(), pieces(terminal(*cut_by_docker, b"next\r\n"), cuts))
    assert [found[39:] for found in rows] == [*cut_by_docker, b"next\r\n"]


def test_a_terminals_last_row_without_an_end_is_the_rest() -> None:
    cut = TerminalRows()
    assert [found[39:] for found in cut.feed(terminal(b"a\r\n", b"$ "))] == [b"a\r\n"]
    assert cut.rest()[39:] == b"$ "


def test_a_time_alone_is_no_rest() -> None:
    cut = TerminalRows()
    cut.feed(terminal(b""))
    assert cut.rest() == b""


@given(cuts=CUTS)
def test_a_terminals_row_without_an_end_that_is_known_ends_where_it_did(cuts: list[int]) -> None:
    unended = row(b"$ ")[8:]
    rows = fed(TerminalRows(unended), pieces(terminal(b"a\n", b"$ ", b"b\n"), cuts))
    assert [found[39:] for found in rows] == [b"a\n", b"$ ", b"b\n"]
