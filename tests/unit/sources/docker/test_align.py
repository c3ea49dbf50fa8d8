from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.unit.sources.docker.rows import CUTS, row
from towline.sources.docker.align import DEPTH, Aligner, Everything, Trail


@dataclass
class Log:
    """A log as Docker has it: rows of lines, the parts of a line share a time."""

    rows: list[bytes]
    taken: int

    @property
    def new(self) -> list[bytes]:
        return self.rows[self.taken :]

    def trail(self, cuts: list[int]) -> Trail:
        trail = Trail()
        for batch in batches(self.rows[: self.taken], cuts):
            trail.extend(batch)
        return trail


def batches(rows: list[bytes], cuts: list[int]) -> list[list[bytes]]:
    places = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    return [rows[a:b] for a, b in pairwise(places)]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Lines of equal and different parts, stamped in any order; read up to some row."""
    lines = draw(st.lists(st.lists(st.sampled_from([b"x", b"y"]), max_size=9), min_size=1))
    times = draw(st.permutations(range(len(lines))))
    rows = [
        row(part, ns=ns)
        for line, ns in zip(lines, times, strict=True)
        for part in [*line, draw(st.sampled_from([b"x\n", b"y\n"]))]
    ]
    return Log(rows, draw(st.integers(min_value=1, max_value=len(rows))))


def through(gate: Aligner | Everything, rows: list[bytes], cuts: list[int]) -> list[bytes]:
    return [each for batch in batches(rows, cuts) for each in gate.feed(batch)]


@given(log=logs(), cuts=CUTS, more=CUTS)
def test_what_follows_the_trail_in_a_whole_log_is_what_is_new(
    log: Log, cuts: list[int], more: list[int]
) -> None:
    trail = log.trail(cuts)
    aligner = Aligner(trail.rows(), run=trail.run)
    assert through(aligner, log.rows, more) == log.new
    assert aligner.aligned


@given(log=logs(), cuts=CUTS, top=st.integers(min_value=0), tail=st.booleans())
def test_a_read_that_begins_anywhere_shows_what_is_new_or_does_not_join_on(
    log: Log, cuts: list[int], top: int, tail: bool
) -> None:
    trail = log.trail(cuts)
    aligner = Aligner(trail.rows(), run=trail.run, cut=tail)
    begin = top % len(log.rows)
    assume(tail or not begin or log.rows[begin - 1][8:38] != log.rows[begin][8:38])
    found = through(aligner, log.rows[begin:], cuts)
    assert not aligner.aligned or found == log.new
    if begin >= log.taken:
        assert not aligner.aligned
        assert aligner.rows == len(log.rows) - begin


@given(
    rows=st.lists(st.sampled_from([row(b"a\n"), row(b"b\n", ns=1)]), min_size=1, max_size=40),
    taken=st.integers(min_value=1),
    cuts=CUTS,
)
def test_rows_that_are_the_same_and_of_one_time_are_repeated_at_worst(
    rows: list[bytes], taken: int, cuts: list[int]
) -> None:
    log = Log(rows, 1 + taken % len(rows))
    trail = log.trail(cuts)
    found = through(Aligner(trail.rows(), run=trail.run), log.rows, cuts)
    assert found[len(found) - len(log.new) :] == log.new


def test_only_their_number_tells_the_place_among_equal_parts() -> None:
    parts = [row(b"x" * 20)] * (3 * DEPTH)
    log = Log([row(b"before\n", ns=1), *parts, row(b"y\n")], 2 * DEPTH)
    trail = log.trail([])
    assert through(Aligner(trail.rows(), run=trail.run), log.rows, [7]) == log.new
    cut = Aligner(trail.rows(), run=trail.run, cut=True)
    assert through(cut, log.rows[5:], [7]) == []


def test_the_trail_is_bounded_and_remembers_the_last_rows() -> None:
    rows = [row(b"%d\n" % n, ns=n) for n in range(10 * DEPTH)]
    one_by_one, at_once = Trail(), Trail()
    for each in rows:
        one_by_one.extend([each])
    at_once.extend(rows)
    assert one_by_one.rows() == at_once.rows()
    assert len(at_once.rows()) == DEPTH
    assert rows[-1] in at_once
    assert rows[0] not in at_once


@given(log=logs(), cuts=CUTS, back=st.integers(min_value=0, max_value=30))
def test_the_trail_as_it_was_some_rows_ago(log: Log, cuts: list[int], back: int) -> None:
    now = log.trail(cuts)
    then = Log(log.rows, max(0, log.taken - back)).trail([])
    assert now.rows(back=back) == then.rows()


@given(log=logs(), cuts=CUTS)
def test_since_is_not_later_than_any_row_of_the_trail(log: Log, cuts: list[int]) -> None:
    trail = log.trail(cuts)
    assert trail.since().encode() == min(each[8:38] for each in log.rows[: log.taken])


def test_a_log_that_lost_its_own_end_shows_the_last_row_that_is_known() -> None:
    rows = [row(b"%d\n" % n, ns=n) for n in range(40)]
    trail = Log(rows, 40).trail([])
    fresh = [row(b"after %d\n" % n, ns=100 + n) for n in range(3)]
    now = rows[:20] + fresh
    aligner = Aligner(trail.rows(), run=trail.run)
    assert aligner.feed(now) == []
    assert aligner.overlap is not None
    assert Aligner(trail.until(aligner.overlap)).feed(now) == fresh


def test_the_newest_row_is_met_when_it_went_by() -> None:
    trail = Log([row(b"gone\n")], 1).trail([])
    rows = [row(b"a\n", ns=1), row(b"b\n", ns=2)]
    (newest,) = Log(rows[1:], 1).trail([]).rows()
    for shown, met in ((rows, True), (rows[:1], False)):
        aligner = Aligner(trail.rows(), newest=newest)
        aligner.feed(shown)
        assert aligner.met is met


def test_without_a_trail_everything_is_new() -> None:
    rows = [row(b"a\n")]
    assert Aligner(Trail().rows()).feed(rows) == rows
    assert Everything().feed(rows) == rows


@given(sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=4), back=st.integers(0, 1500))
def test_the_context_of_an_earlier_row_is_what_stood_before_it(sizes: list[int], back: int) -> None:
    """Of a large batch only the end is noted: what stood before that is no context of it."""
    rows = [row(b"%d\n" % number, ns=number) for number in range(sum(sizes))]
    trail = Trail()
    for batch in batches(rows, [sum(sizes[:index]) for index in range(len(sizes))]):
        trail.extend(batch)
    found = trail.rows(back=back)
    behind = rows[: max(0, len(rows) - back)]
    assert found == tuple(map(crc32, behind[len(behind) - len(found) :]))
    assert len(found) == min(DEPTH, len(rows)) or back


def test_equal_parts_that_the_other_stream_writes_between_are_not_taken_for_each_other() -> None:
    part, other = row(b"x"), row(b"y", ns=1, stderr=True)
    trail = Trail()
    trail.extend([part])
    rows = [part, other, part]
    assert Aligner(trail.rows(), run=trail.run).feed(rows) == [other, part]
    at_the_top = Aligner(trail.rows(), run=trail.run, cut=True)
    assert at_the_top.feed(rows) == []
    assert not at_the_top.aligned


def test_a_run_is_counted_alike_in_whatever_batches_it_comes() -> None:
    rows = [
        row(b"z\n", ns=9), row(b"x", ns=1), row(b"y", ns=2, stderr=True), row(b"x", ns=1),
        row(b"y", ns=2, stderr=True), row(b"y\n", ns=3, stderr=True), row(b"x", ns=1),
    ]  # fmt: skip
    for at in range(len(rows) + 1):
        trail = Trail()
        trail.extend(rows[:at])
        trail.extend(rows[at:])
        assert trail.run == 2
    trail.extend(rows[-1:])
    assert trail.run == 3
