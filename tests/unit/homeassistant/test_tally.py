from __future__ import annotations

import pytest

from towline.homeassistant.tally import BUCKET, STATE_LENGTH, Tally, cut, silence
from towline.record import Origin, OriginType, Record

ORIGIN = Origin(type=OriginType.CONTAINER, name="web", device="pi")


def record(level: str = "info", message: str = "text") -> Record:
    return Record(1, ORIGIN, 0, level, False, 1, message, b"{}")


def test_rates_are_those_of_the_last_minute() -> None:
    tally = Tally()
    for second in range(60):
        tally.add(record("error" if second % 10 == 0 else "info"), 1000.0 + second)
    assert tally.per_minute(1059.0) == (60, 6)
    assert tally.per_minute(1059.0 + 30) == (30, 3)
    assert tally.per_minute(1059.0 + 60 + BUCKET) == (0, 0)
    assert (tally.lines, tally.errors) == (60, 6)


def test_what_never_spoke_is_not_silent_but_unknown() -> None:
    state = Tally().as_state(100.0)
    assert state["silent_for"] is None
    assert state["last_error"] is None
    assert state["lines_per_minute"] == 0


def test_the_last_error_is_short_enough_for_a_state() -> None:
    tally = Tally()
    tally.add(record("fatal", "x" * 1000), 1.0)
    tally.add(record("warn", "later"), 2.0)
    text = tally.as_state(2.0)["last_error"]
    assert len(text) == STATE_LENGTH
    assert text.startswith("xxx")
    assert cut("y" * STATE_LENGTH) == "y" * STATE_LENGTH


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, 0), (0, 0), (59, 0), (60, 60), (299, 120), (3599, 1800), (3600, 3600), (7300, 7200)],
)
def test_silence_is_told_in_growing_steps(seconds: float, expected: int) -> None:
    assert silence(seconds) == expected
