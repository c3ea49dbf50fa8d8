"""When a stream is read again, with a socket that fills at a steady rate."""

from __future__ import annotations

from math import ceil

import pytest

from towline.sources.docker.pace import FILL, LONGEST, Pace

ROW = 139
SOCKET = 280
SECONDS = 2.0


def reads(lines_per_second: float) -> list[int]:
    """Rows taken by each read. Timers end at whole milliseconds; a read takes 50 µs, a row 4."""
    now, due, taken = 100.0, 100.0, []
    pace = Pace(now)
    while now < 100.0 + SECONDS:
        rows = int((now - due) * lines_per_second)
        if not rows:
            now = due + 1 / lines_per_second + 1e-9
            continue
        due += rows / lines_per_second
        taken.append(rows)
        rest = pace.rest(rows * ROW, now)
        now += max(ceil(rest * 1000) / 1000, 50e-6 + rows * 4e-6)
    return taken


@pytest.mark.parametrize("rate", [1, 50, 100, 200])
def test_each_line_of_a_quiet_stream_is_read_at_once(rate: int) -> None:
    assert max(reads(rate)) == 1


@pytest.mark.parametrize("rate", [500, 1000, 5000, 20_000, 60_000, 150_000])
def test_a_busy_stream_is_read_many_lines_at_a_time(rate: int) -> None:
    settled = reads(rate)[100:]
    assert sum(settled) / len(settled) >= min(rate * LONGEST * 0.7, 25)


@pytest.mark.parametrize("rate", [1000, 5000, 20_000, 60_000, 150_000])
def test_dockerd_never_waits_for_a_stream_that_rests(rate: int) -> None:
    settled = reads(rate)[20:]
    assert max(settled) < SOCKET


def test_a_full_read_is_followed_by_another_at_once() -> None:
    pace = Pace(0.0)
    pace.rest(FILL, 0.06)
    assert pace.rest(FILL - 1, 0.061) > 0
    assert pace.rest(FILL, 0.062) == 0


def test_the_first_line_after_a_pause_is_read_at_once() -> None:
    pace = Pace(0.0)
    for step in range(1, 500):
        pace.rest(10_000, step / 1000)
    assert pace.rest(10_000, 0.5) > 0
    assert pace.rest(ROW, 9.0) == 0.0


def test_long_rests_of_streams_end_together() -> None:
    ends = set()
    for shift in (0.0, 0.003, 0.011):
        pace = Pace(0.0)
        pace.rest(10_000, 0.1 + shift)
        now = 0.109 + shift
        ends.add(round(now + pace.rest(500, now), 6))
    assert len(ends) == 1
