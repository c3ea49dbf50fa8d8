from __future__ import annotations

from towline.broker.incoming import Incoming
from towline.subscriptions.receipts import MOST_OPEN, Receipts


def message(told: list[int], number: int) -> Incoming:
    return Incoming("a", b"", qos=1, acknowledge=lambda: told.append(number))


async def test_a_message_is_acknowledged_once_when_it_is_done() -> None:
    told: list[int] = []
    receipts = Receipts()
    one = message(told, 1)
    receipts.take(one)
    assert told == []
    receipts.done(one)
    receipts.done(one)
    assert told == [1]


async def test_only_so_many_are_left_open() -> None:
    told: list[int] = []
    receipts = Receipts()
    for number in range(MOST_OPEN + 3):
        receipts.take(message(told, number))
    assert told == [MOST_OPEN, MOST_OPEN + 1, MOST_OPEN + 2]
    receipts.close()
    assert sorted(told) == list(range(MOST_OPEN + 3))
