"""Rounds: one after another, at once when asked, and no asker is left waiting."""

from __future__ import annotations

import asyncio

from towline.gitops.pace import Rounds


class Worker:
    """Does rounds that last until they are let go."""

    def __init__(self) -> None:
        self.began: asyncio.Queue[bool] = asyncio.Queue()
        self.go = asyncio.Event()

    async def once(self, asked: bool) -> bool:
        self.began.put_nowait(asked)
        await self.go.wait()
        return True


async def test_who_asks_during_a_round_is_answered_by_the_next() -> None:
    worker = Worker()
    rounds = Rounds(worker.once, 3600, lambda: 0.5)
    task = asyncio.create_task(rounds.run())
    assert await worker.began.get() is False
    over = rounds.wake()
    assert rounds.wake() is over
    worker.go.set()
    assert await worker.began.get() is True
    await over.wait()
    assert worker.began.empty()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_who_asked_is_not_left_waiting_when_it_ends() -> None:
    worker = Worker()
    rounds = Rounds(worker.once, 3600, lambda: 0.5)
    before = rounds.wake()
    task = asyncio.create_task(rounds.run())
    assert await worker.began.get() is True
    during = rounds.wake()
    task.cancel()
    await asyncio.wait([task])
    for over in (before, during, rounds.wake()):
        await over.wait()


async def test_a_failure_is_tried_again_unasked_and_a_success_rests() -> None:
    results = [False, False, True, True]
    done = asyncio.Event()

    async def once(asked: bool) -> bool:
        assert not asked
        if results[0]:
            done.set()
        return results.pop(0)

    def chance() -> float:
        return 0.5 if done.is_set() else -9.0  # a pause that is over before it begins

    task = asyncio.create_task(Rounds(once, 3600, chance).run())
    await done.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert results == [True]
    task.cancel()
    await asyncio.wait([task])
