from __future__ import annotations

from towline.subscriptions.pace import Pace


def test_a_minutes_worth_at_once_and_then_as_time_goes_on() -> None:
    now = 0.0
    pace = Pace(30, clock=lambda: now)
    assert [pace.may() for _ in range(31)] == [True] * 30 + [False]
    now = 1.9
    assert not pace.may()
    now = 2.1
    assert [pace.may(), pace.may()] == [True, False]
    now = 10_000.0
    assert [pace.may() for _ in range(31)] == [True] * 30 + [False]
