from __future__ import annotations

import logging

import pytest

from towline.trouble import EVERY, Trouble


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trouble(clock: Clock, caplog: pytest.LogCaptureFixture) -> Trouble:
    caplog.set_level(logging.INFO)
    log = logging.getLogger("towline.test")
    return Trouble(log, "away", "back", extra={"component": "x"}, clock=clock)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    return [(row.getMessage(), row.__dict__["failures"]) for row in caplog.records]


def test_a_repeating_failure_is_told_at_its_start_once_a_minute_and_at_its_end(
    trouble: Trouble, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        trouble.happened("refused")
    clock.now = EVERY
    trouble.happened("refused")
    trouble.happened("refused")
    trouble.over()
    assert told(caplog) == [("away", 1), ("away", 6), ("back", 7)]


def test_a_new_reason_is_told_at_once(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    trouble.happened("refused")
    trouble.happened("not authorised")
    trouble.happened("refused")
    assert told(caplog) == [("away", 1), ("away", 2)]


def test_an_end_without_a_failure_is_not_told(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    trouble.over()
    assert told(caplog) == []
