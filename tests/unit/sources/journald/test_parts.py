from __future__ import annotations

from towline.record import Line, Origin, OriginType
from towline.sources.journald.export import Entry
from towline.sources.journald.parts import MAX_LINE, PATIENCE, Parts

ORIGIN = Origin(type=OriginType.CONTAINER, name="api", device="pi", container_id="c" * 64)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def part(id_: bytes, *, last: bool = False) -> Entry:
    end = b"true" if last else b"false"
    return {b"CONTAINER_PARTIAL_ID": id_, b"CONTAINER_PARTIAL_LAST": end}


def line(text: str, seq: int, *, stderr: bool = False) -> Line:
    return Line(text, f"time {seq}", seq, stderr, seq)


def test_parts_are_one_line_with_the_first_time_and_the_last_number() -> None:
    parts = Parts()
    assert parts.take(ORIGIN, part(b"a"), line("x" * 5, 1), "c0") == []
    assert parts.before == "c0"
    (whole,) = parts.take(ORIGIN, part(b"a", last=True), line("y", 2), "c1")
    assert (whole.text, whole.time, whole.seq, whole.extra) == ("xxxxxy", "time 1", 2, "")
    assert not parts
    assert parts.before == ""


def test_streams_are_joined_apart() -> None:
    parts = Parts()
    parts.take(ORIGIN, part(b"a"), line("out", 1), "c0")
    parts.take(ORIGIN, part(b"b"), line("err", 2, stderr=True), "c1")
    (first,) = parts.take(ORIGIN, part(b"b", last=True), line("!", 3, stderr=True), "c2")
    (second,) = parts.take(ORIGIN, part(b"a", last=True), line("!", 4), "c3")
    assert (first.text, second.text) == ("err!", "out!")


def test_a_line_whose_end_was_lost_is_handed_on_before_the_next() -> None:
    parts = Parts()
    parts.take(ORIGIN, part(b"a"), line("head", 1), "c0")
    head, whole = parts.take(ORIGIN, {}, line("next", 2), "c1")
    assert (head.text, head.extra) == ("head", ',"partial":true')
    assert (whole.text, whole.extra) == ("next", "")


def test_an_end_that_does_not_come_is_not_waited_for_for_ever() -> None:
    clock = Clock()
    parts = Parts(clock)
    parts.take(ORIGIN, part(b"a"), line("head", 1), "c0")
    assert parts.flush() == []
    clock.now += PATIENCE
    ((origin, found),) = parts.flush()
    assert (origin, found.text, found.extra) == (ORIGIN, "head", ',"partial":true')
    assert not parts


def test_a_line_without_end_is_handed_on_in_pieces() -> None:
    parts = Parts()
    pieces = [
        piece
        for number in range(3)
        for piece in parts.take(ORIGIN, part(b"a"), line("x" * MAX_LINE, number), "c")
    ]
    assert [len(piece.text) for piece in pieces] == [MAX_LINE] * 3
    assert {piece.extra for piece in pieces} == {',"partial":true'}
