"""Whatever a file holds: settings, or `ConfigError` with places that exist. Never anything else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.config.kinds import problems
from towline.config.problems import as_annotations, as_json, as_text
from towline.config.scalars import plain_value

GOOD = (Path(__file__).parent / "files" / "design.good.yaml").read_bytes()
SIGNS = b"{}[]:,-?!&*#|>@`%\"'\t\n \\\0\xff~<"


def never_anything_but_problems(text: str | bytes) -> None:
    """`problems` lets every other exception through."""
    lines = len(text.splitlines()) + 1
    found = problems(text, files={"secrets.yaml": b"a: b\nmqtt_user: me\nmqtt_password: x\n"})
    assert all(1 <= told.line <= lines and told.column >= 1 for told in found)
    assert len(as_json(found)) == len(found)
    assert bool(as_text(found)) is bool(as_annotations(found)) is bool(found)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.binary()))
@example("\ud800")
@example("!secret a")
@example("? !secret\n: *a")
@example('version: 1\n<<: {store: {path: "\\0"}}')
def test_arbitrary_text_is_refused_with_problems(text: str | bytes) -> None:
    never_anything_but_problems(text)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """The example of DESIGN with parts cut, doubled, moved and signs thrown in."""
    data = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 60))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            del data[at : at + length]
        elif kind == 1:
            data[at:at] = data[at : at + length]
        elif kind == 2:
            data[at:at] = bytes(draw(st.lists(st.sampled_from(SIGNS), max_size=4)))
        else:
            del data[at:]
    return bytes(data)


@settings(max_examples=300, deadline=None)
@given(mutants())
def test_a_mutilated_file_is_read_or_refused_with_problems(text: bytes) -> None:
    never_anything_but_problems(text)


@given(st.integers(-(10**17), 10**17))
def test_whole_numbers_come_back_as_they_were_written(number: int) -> None:
    assert plain_value(str(number)) == number
