"""Lines that belong together become one record, and no other ones do."""

from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.pipeline.traces import TRACES
from towline.config.pipeline import Joining
from towline.config.settings import Match
from towline.pipeline.multiline import LONGEST, MOST_LINES, QUIET, Multiline
from towline.record import Line, Origin, OriginType

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", container_id="w" * 64)
DB = Origin(type=OriginType.CONTAINER, name="db", device="pi", container_id="d" * 64)
ORDINARY = ["GET / 200", "INFO ready", '{"error": "TypeError: no"}', "done", "0x12", "it is so)"]


class Rig:
    """A step with a clock of its own, and lines that are counted."""

    def __init__(self, *patterns: Joining) -> None:
        self.now = 0.0
        self.step = Multiline(patterns, clock=lambda: self.now)
        self.seq = 0

    def lines(self, text: str, *, stderr: bool = False) -> list[Line]:
        return [self.line(row, stderr=stderr) for row in text.split("\n")]

    def line(self, text: str, *, stderr: bool = False) -> Line:
        self.seq += 1
        return Line(text, f"t{self.seq}", self.seq, stderr, self.seq)

    def feed(self, lines: list[Line], origin: Origin = WEB) -> list[str]:
        return [line.text for line in self.step(origin, lines)]

    def held(self, of: Origin) -> int:
        return self.step.held(lambda origin: origin == of)

    def wait(self, seconds: float) -> list[str]:
        self.now += seconds
        return [line.text for _, lines in self.step.release() for line in lines]


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES.keys())
def test_a_trace_between_ordinary_lines_is_one_record(trace: str) -> None:
    rig = Rig()
    lines = rig.lines(f"INFO before\n{trace}\nINFO after")
    assert rig.feed(lines) == ["INFO before", trace, "INFO after"]
    assert not rig.step.holds


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES.keys())
def test_a_trace_is_one_record_in_whatever_pieces_it_comes(trace: str) -> None:
    for size in (1, 2, 3):
        rig = Rig()
        lines = rig.lines(f"INFO before\n{trace}")
        found = []
        for start in range(0, len(lines), size):
            found += rig.feed(lines[start : start + size])
        assert found + rig.wait(QUIET) == ["INFO before", trace]


@pytest.mark.parametrize("one", TRACES)
@pytest.mark.parametrize("other", ["python", "java", "node, caught", "go", "rust"])
def test_two_traces_in_a_row_are_two_records(one: str, other: str) -> None:
    rig = Rig()
    found = rig.feed(rig.lines(f"{TRACES[one]}\n{TRACES[other]}"))
    assert found + rig.wait(QUIET) == [TRACES[one], TRACES[other]]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_line_does_not_wait(text: str) -> None:
    rig = Rig()
    assert rig.feed(rig.lines(text)) == [text]
    assert not rig.step.holds


def test_a_joined_record_has_the_first_ones_time_and_the_last_ones_row() -> None:
    rig = Rig()
    lines = [rig.line("panic: a"), rig.line("out", stderr=True), rig.line("\tb")]
    (out,) = rig.step(WEB, lines)
    ((_, [whole]),) = rig.step.release(everything=True)
    assert out.text == "out"
    assert (whole.text, whole.time, whole.seq, whole.first) == ("panic: a\n\tb", "t1", 3, 1)
    assert json.loads("{" + whole.extra[1:] + "}") == {"until": "t3"}


def test_lines_of_two_streams_and_of_two_containers_are_never_joined() -> None:
    rig = Rig()
    assert rig.feed([rig.line("panic: a"), rig.line("  out", stderr=True)]) == ["  out"]
    assert rig.feed([rig.line("  db")], DB) == ["  db"]
    assert rig.feed([rig.line("  web")]) == []
    assert rig.wait(QUIET) == ["panic: a\n  web"]


def test_what_is_held_back_is_told_by_its_first_row() -> None:
    rig = Rig()
    assert rig.held(WEB) == 0
    rig.feed([rig.line("x"), rig.line("panic: a"), rig.line("Error: b", stderr=True)])
    assert rig.held(WEB) == 2
    rig.feed([rig.line("y")])
    assert rig.held(WEB) == 3
    assert rig.held(DB) == 0


def test_a_group_goes_when_nothing_more_comes() -> None:
    rig = Rig()
    rig.feed(rig.lines("panic: a\n\tb"))
    assert rig.step.due() == QUIET
    assert rig.wait(QUIET / 2) == []
    assert rig.wait(QUIET / 2) == ["panic: a\n\tb"]
    assert not rig.step.holds


def test_a_trickle_does_not_hold_a_record_back_for_ever() -> None:
    rig = Rig()
    rig.feed(rig.lines("panic: a"))
    found: list[str] = []
    while not found:
        found = rig.wait(QUIET * 0.9)
        rig.feed(rig.lines("\tb"))
    assert LONGEST <= rig.now < LONGEST + QUIET
    assert rig.wait(QUIET) == ["\tb"]


def test_an_endless_trace_comes_in_records_of_bounded_size() -> None:
    rig = Rig()
    lines = rig.lines("panic: a\n" + "\n".join(["\tb"] * (2 * MOST_LINES)))
    found = rig.feed(lines)
    assert [text.count("\n") + 1 for text in found] == [MOST_LINES, MOST_LINES]
    assert rig.wait(QUIET) == ["\tb"]
    rig = Rig()
    found = rig.feed(rig.lines("panic: a\n" + "\n".join(["\t" + "b" * 50_000] * 20)))
    assert max(map(len, found)) < 320_000
    assert rig.step.cut == len(found) > 2


def test_no_line_waits_when_too_much_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towline.pipeline.multiline.MOST_HELD", 1000)
    rig = Rig()
    assert rig.feed(rig.lines("panic: a\n\tb")) == []
    assert rig.feed(rig.lines("panic: c\n" + "\td" * 600), DB) == ["panic: c\n" + "\td" * 600]
    assert rig.step.cut == 1
    assert rig.wait(QUIET) == ["panic: a\n\tb"]


def test_blank_lines_belong_to_a_trace_only_where_it_goes_on() -> None:
    rig = Rig()
    assert rig.feed(rig.lines("panic: a\n\n\tb\n\n\nnext")) == ["panic: a\n\n\tb", "", "", "next"]


def test_what_cannot_be_read_again_is_not_held_back() -> None:
    step = Multiline()
    assert [x.text for x in step(WEB, [Line("panic: a", "t", 1), Line("\tb", "t", 1)])] == [
        "panic: a\n\tb"
    ]
    assert not step.holds


def test_the_end_of_an_origin_ends_its_groups_and_no_others() -> None:
    rig = Rig()
    rig.feed([rig.line("panic: a"), rig.line("Error: b", stderr=True)])
    rig.feed([rig.line("panic: c")], DB)
    assert [line.text for line in rig.step.settle(WEB)] == ["panic: a", "Error: b"]
    assert rig.wait(QUIET) == ["panic: c"]


def test_lines_of_two_processes_are_not_joined() -> None:
    rig = Rig()
    lines = rig.lines("panic: a\n\tb\n\tc")
    lines[0].fields = lines[1].fields = '{"pid":1}'
    (whole, other) = rig.step(WEB, lines)
    assert (whole.text, whole.fields, other.text) == ("panic: a\n\tb", '{"pid":1}', "\tc")


def test_lines_are_not_joined_across_a_gap() -> None:
    rig = Rig()
    lines = [rig.line("panic: a"), rig.line("lost"), rig.line("\tb")]
    lines[1].system = True
    assert rig.feed(lines) == ["panic: a", "lost", "\tb"]


def test_a_piece_of_a_long_line_is_a_record_of_its_own() -> None:
    rig = Rig()
    lines = rig.lines("panic: a\n\tb\n\tc")
    lines[1].extra = ',"partial":true'
    assert rig.feed(lines) == ["panic: a", "\tb", "\tc"]


def pattern(*, start: str = "", further: str = "", name: str = "web") -> Joining:
    return Joining(match=Match(name=(name,)), start=start, further=further)


def test_patterns_of_the_first_line_and_of_the_further_ones() -> None:
    rig = Rig(pattern(start=r"^\d"), pattern(further=r"^\.", name="db"))
    assert rig.feed(rig.lines("1 a\nb\nc\n2 d")) == ["1 a\nb\nc"]
    assert rig.feed(rig.lines("a\n.b\n.c\nd\n.e"), DB) == ["a\n.b\n.c"]
    assert rig.wait(QUIET) == ["2 d", "d\n.e"]


def test_a_container_that_no_pattern_is_for_is_as_with_auto() -> None:
    rig = Rig(pattern(start="^", name="web"))
    assert rig.feed(rig.lines("panic: a\n\tb\nc"), DB) == ["panic: a\n\tb", "c"]
    assert rig.feed(rig.lines("panic: a\n\tb\nc")) == ["panic: a", "\tb"]


TEXTS = st.sampled_from(sorted({*chain(*(t.split("\n") for t in TRACES.values())), *ORDINARY}))
SHORT = st.text(max_size=9).map(lambda text: text.replace("\n", ""))
STEPS = st.lists(
    st.tuples(
        st.sampled_from([WEB, DB]),
        st.lists(st.tuples(TEXTS | SHORT, st.booleans()), max_size=6),
        st.sampled_from([0.0, 0.0, 0.6, 1.1]),
    ),
    max_size=12,
)
RULES = st.sampled_from([(), (pattern(start="^[A-Z]"),), (pattern(further=r"^\s"),)])


@given(RULES, STEPS)
def test_whatever_comes_is_there_once_and_in_order(
    rules: tuple[Joining, ...], steps: list[tuple[Origin, list[tuple[str, bool]], float]]
) -> None:
    rig = Rig(*rules)
    given: dict[tuple[str, bool], list[str]] = {}
    found: dict[tuple[str, bool], list[Line]] = {}

    def take(origin: Origin, lines: list[Line]) -> None:
        for line in lines:
            found.setdefault((origin.name, line.stderr), []).append(line)

    for origin, texts, pause in steps:
        lines = [rig.line(text, stderr=stderr) for text, stderr in texts]
        for line in lines:
            given.setdefault((origin.name, line.stderr), []).append(line.text)
        take(origin, rig.step(origin, lines))
        rig.now += pause
        for each, due in rig.step.release():
            take(each, due)
        held = rig.held(origin)
        stored = [line.seq for name, ls in found.items() for line in ls if name[0] == origin.name]
        if not held:
            assert {line.seq for line in lines} <= _rows(found, origin.name)
        assert held not in stored
    for each, rest in rig.step.release(everything=True):
        take(each, rest)
    assert found.keys() == given.keys()
    for stream, lines in found.items():
        assert "\n".join(line.text for line in lines) == "\n".join(given[stream])
        rows = [line.seq for line in lines]
        assert rows == sorted(set(rows))
    assert not rig.step.holds
    assert rig.held(WEB) == 0


def _rows(found: dict[tuple[str, bool], list[Line]], name: str) -> set[int]:
    """Rows that the records of an origin take in."""
    lines = chain(*(found.get((name, stderr), []) for stderr in (False, True)))
    return set(chain(*(range(line.first or line.seq, line.seq + 1) for line in lines)))
