import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from towline.config.pipeline import Limit, Over
from towline.config.settings import Match
from towline.pipeline.limit import FOLD, MOST_KINDS, NOTICE, Limits
from towline.record import Line, Origin, OriginType

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", service="web")
DB = replace(WEB, name="db", service="db")


class Rig:
    def __init__(self, over: Over = "drop", **more: Any) -> None:
        self.now = 0.0
        limit = Limit(match=Match(), rate=2.0, burst=3, over=over, every=4)
        self.step = Limits([replace(limit, **more)], clock=lambda: self.now)
        self.seq = 0

    def feed(self, *texts: str, origin: Origin = WEB) -> list[str]:
        lines = []
        for text in texts:
            self.seq += 1
            lines.append(Line(text, f"t{self.seq}", 1, seq=self.seq, level="info"))
        return [line.text for line in self.step(origin, lines)]

    def wait(self, seconds: float) -> list[tuple[str, Line]]:
        self.now += seconds
        return [(origin.name, line) for origin, lines in self.step.release() for line in lines]


def test_a_burst_passes_and_then_what_time_has_brought() -> None:
    rig = Rig()
    assert rig.feed(*"abcde") == ["a", "b", "c"]
    rig.now = 1.0
    assert rig.feed(*"fghi") == ["f", "g"]
    rig.now = 100.0
    assert rig.feed(*"jklmn") == ["j", "k", "l"]
    assert rig.step.above == [6]


def test_each_container_has_its_own_share() -> None:
    rig = Rig()
    rig.feed(*"abcde")
    assert rig.feed(*"fghij", origin=DB) == ["f", "g", "h"]


def test_what_is_not_matched_is_not_limited() -> None:
    rig = Rig(match=Match(service=("web",), regex="x"))
    assert rig.feed(*"xxxxxyyyyy") == [*"xxxyyyyy"]
    assert rig.feed(*"xxxxx", origin=DB) == [*"xxxxx"]


def test_of_samples_every_so_manyth_is_stored() -> None:
    rig = Rig("sample")
    assert rig.feed(*"abc", *"123456789") == ["a", "b", "c", "4", "8"]
    assert rig.step.above == [7]


def test_like_lines_are_folded_and_the_first_of_a_kind_is_stored() -> None:
    rig = Rig("fold")
    assert rig.feed("a", "b", "c", "took 5 ms", "took 7 ms", "odd", "took 12 ms") == [
        "a",
        "b",
        "c",
        "took 5 ms",
        "odd",
    ]
    assert rig.step.holds
    assert rig.wait(FOLD - 1) == []
    ((name, folded),) = rig.wait(1)
    assert (name, folded.text, folded.seq, folded.time) == ("web", "took 12 ms", 7, "t7")
    assert json.loads("{" + folded.extra[1:] + "}") == {"repeated": 2}
    assert rig.step.above == [2]


def test_kinds_are_bounded() -> None:
    rig = Rig("fold", burst=1)
    names = [chr(0x4E00 + number) for number in range(2 * MOST_KINDS)]
    assert len(rig.feed("x", *names)) == 1 + MOST_KINDS + 1
    ((_, others),) = rig.wait(FOLD)
    assert others.text.startswith(f"{MOST_KINDS - 1} more lines of other kinds, the last: ")


def test_towline_says_how_many_lines_there_were_once_in_a_while() -> None:
    rig = Rig()
    rig.feed(*"abcde")
    assert rig.step.due() == NOTICE
    rig.feed(*"fgh")
    ((name, notice),) = rig.wait(NOTICE)
    assert (name, notice.level) == ("towline", "warn")
    assert notice.text == "web: 5 lines above its limit of 2/s were dropped"
    assert not rig.step.holds
    assert rig.wait(NOTICE) == []


def test_what_is_left_to_tell_is_told_in_the_end() -> None:
    rig = Rig("fold")
    rig.feed(*"aaaaaa")
    told = [line.text for _, lines in rig.step.release(everything=True) for line in lines]
    assert told == ["a", "web: 3 lines above its limit of 2/s were folded"]
    assert rig.step.due() == float("inf")


@given(
    st.sampled_from(["fold", "sample", "drop"]),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c 1", "c 2"]), st.floats(0, 3))),
)
def test_no_line_goes_uncounted(over: Over, steps: list[tuple[str, float]]) -> None:
    rig = Rig(over)
    stored = repeated = 0
    for text, pause in steps:
        stored += len(rig.feed(text))
        rig.now += pause
        repeated += sum(_repeated(line) for _, line in rig.wait(0))
    told = [line for _, lines in rig.step.release(everything=True) for line in lines]
    repeated += sum(map(_repeated, told))
    assert stored + sum(rig.step.above) == len(steps)
    assert over != "fold" or repeated == sum(rig.step.above)


def _repeated(line: Line) -> int:
    return int(json.loads("{" + line.extra[1:] + "}").get("repeated", 0)) if line.extra else 0
