from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from towline.errors import Rejected, Retryable
from towline.subscriptions.player import LONGEST_PAUSE, Played, Player


class Stage:
    """Where messages are played to, with a time of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.played: list[tuple[float, str]] = []
        self.error: Exception | None = None

    async def publish(self, topic: str, payload: bytes) -> None:
        if self.error:
            raise self.error
        self.played.append((round(self.now - 100, 6), topic))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def player(self, speed: float, rate: float) -> Player:
        return Player(
            self.publish, speed=speed, rate=rate, sleep=self.sleep, clock=lambda: self.now
        )


async def messages(*at: int) -> AsyncIterator[Played]:
    for moment in at:
        yield Played(moment, "a/b", b"x")


@pytest.mark.parametrize(
    ("speed", "rate", "times"),
    [
        (1, 1000, [0, 1, 3]),
        (2, 1000, [0, 0.5, 1.5]),
        (0, 10, [0, 0.1, 0.2]),
        (100, 1, [0, 1, 2]),
    ],
)
async def test_messages_keep_their_pace_divided_by_the_speed_within_the_rate(
    speed: float, rate: float, times: list[float]
) -> None:
    stage = Stage()
    player = stage.player(speed, rate)
    await player.run(messages(0, 1000, 3000))
    assert stage.played == [(at, "replay/a/b") for at in times]
    assert player.as_json() == {"state": "done", "error": None, "sent": 3, "refused": 0}


async def test_a_long_silence_and_a_clock_that_ran_back_are_short() -> None:
    stage = Stage()
    await stage.player(1, 1000).run(messages(0, 10_000_000, 5000))
    assert [at for at, _ in stage.played] == [0, LONGEST_PAUSE, LONGEST_PAUSE + 0.001]


async def test_what_is_refused_is_counted_and_a_broker_that_stays_away_ends_it() -> None:
    stage = Stage()
    stage.error = Rejected("not authorised")
    player = stage.player(0, 10)
    await player.run(messages(0, 0))
    assert (player.state, player.refused, player.error) == ("done", 2, "not authorised")
    stage.error = Retryable("away")
    player = stage.player(0, 10)
    await player.run(messages(0, 0))
    assert (player.state, player.error, player.sent) == ("failed", "away", 0)
