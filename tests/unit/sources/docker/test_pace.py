"""When a stream is read again, with a socket that is filled by a daemon."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import pytest

from towline.sources.docker.pace import FILL, LONGEST, Pace

ROW = 139
SOCKET = 280
SECONDS = 2.0
STEP = 50e-6


@dataclass
class Daemon:
    """Fills the socket at a rate until it is full; `stalled` rows would have come meanwhile.

    For `away` of every 10 ms it does not get the processor.
    """

    rate: float
    away: float = 0.0
    waiting: float = 0.0
    stalled: float = 0.0

    def step(self, now: float) -> None:
        if now % 0.01 < self.away:
            return
        rows = self.rate * STEP
        self.waiting += rows
        if self.waiting > SOCKET:
            self.stalled += self.waiting - SOCKET
            self.waiting = SOCKET


def reads(daemon: Daemon, pace: Pace | None = None, now: float = 100.0) -> list[int]:
    """Rows taken by each read. Timers end at whole ms; a read costs 50 µs and its rows."""
    pace = pace or Pace(now)
    free_at, end = now, now + SECONDS
    taken: list[int] = []
    while now < end:
        daemon.step(now)
        now += STEP
        if now < free_at or daemon.waiting < 1:
            continue
        rows = int(daemon.waiting)
        daemon.waiting -= rows
        taken.append(rows)
        rest = pace.rest(rows * ROW, now)
        free_at = now + max(ceil(rest * 1000) / 1000, 50e-6 + rows * 3e-6)
    return taken


@pytest.mark.parametrize("rate", [10, 50, 100, 200])
def test_each_line_of_a_quiet_stream_is_read_at_once(rate: int) -> None:
    assert max(reads(Daemon(rate))) == 1


@pytest.mark.parametrize("rate", [500, 1000, 5000, 20_000, 60_000, 150_000])
def test_a_busy_stream_is_read_many_lines_at_a_time(rate: int) -> None:
    settled = reads(Daemon(rate))[100:]
    assert sum(settled) / len(settled) >= min(rate * LONGEST * 0.7, 25)


@pytest.mark.parametrize("rate", [1000, 5000, 20_000, 60_000, 150_000])
def test_dockerd_hardly_ever_waits_for_a_stream_that_rests(rate: int) -> None:
    daemon = Daemon(rate)
    reads(daemon)
    assert daemon.stalled <= rate * SECONDS * 0.01


@pytest.mark.parametrize("away", [0.0, 0.003, 0.006])
def test_an_old_log_is_read_as_fast_as_it_comes(away: float) -> None:
    daemon = Daemon(200_000, away=away)
    taken = reads(daemon)
    assert sum(taken) >= 0.95 * daemon.rate * SECONDS * (1 - away / 0.01)


def test_a_stream_that_calms_down_rests_longer_again() -> None:
    pace = Pace(100.0)
    reads(Daemon(200_000), pace)
    settled = reads(Daemon(1000), pace, 100.0 + SECONDS)[20:]
    assert sum(settled) / len(settled) >= 1000 * LONGEST * 0.7


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
