"""The torture suite in its short form, and its own checkers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.torture.__main__ import SCENARIOS, play
from tests.faults.torture.lines import Found, Writer, compare
from tests.faults.torture.rig import Rig
from tests.faults.torture.rotation import silent_holes
from tests.real.engine import Engine


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_or_repeated_without_a_word(
    name: str, tmp_path: Path, engine: Engine
) -> None:
    outcome = play(name, Rig(tmp_path / name, engine))
    assert outcome.problems == []
    assert outcome.lines > 0


WRITER = Writer(id=7, lines=30, kind="same")


def test_every_way_to_differ_is_counted() -> None:
    wanted = WRITER.texts(stderr=False)
    assert compare(wanted, list(wanted)).clean
    assert compare(wanted, [*wanted[:4], *wanted[7:]]) == Found(lost=3, holes=1)
    assert compare(wanted, [*wanted[:3], *wanted[2:]]) == Found(dup=1)
    assert compare(wanted, [*wanted[:5], "C7 sa", *wanted[5:]]) == Found(strange=1)
    exchanged = [*wanted[:3], *wanted[5:8], *wanted[3:5], *wanted[8:]]
    assert compare(wanted, exchanged).order == 1
    assert not compare(wanted, [*wanted[:1], wanted[2], wanted[1], *wanted[3:]]).clean
    assert compare(wanted, []).lost == 30


def test_a_hole_without_a_gap_record_is_found() -> None:
    writer = Writer(id=1, lines=9)
    records = [{"message": text} for text in writer.texts(stderr=False)]
    gap = {"message": "", "gap": {"lost": 1}}
    assert silent_holes(writer, records) == 0
    assert silent_holes(writer, records[1:]) == 1
    assert silent_holes(writer, [*records[:3], *records[5:-1]]) == 2
    assert silent_holes(writer, [*records[:3], gap, *records[5:-1]]) == 1
    assert silent_holes(writer, [gap, *records[1:3], gap, *records[5:-1], gap]) == 0
