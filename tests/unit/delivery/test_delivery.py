from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.delivery.rig import (
    API,
    Destination,
    Grouping,
    Patient,
    Time,
    append,
    numbered,
    settle,
)
from tests.unit.store.rig import until
from towline.config.settings import Match, Route
from towline.config.settings import Store as StoreSettings
from towline.delivery.dead import DeadLetters
from towline.delivery.delivery import COMMIT_EVERY, Delivery
from towline.delivery.policy import Policy
from towline.delivery.router import Router
from towline.errors import DeliveryError, Rejected, Retryable
from towline.record import Batch
from towline.status import State
from towline.store.log import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(StoreSettings(path=tmp_path / "data", persist=False)) as opened:
        yield opened


@pytest.fixture
def time() -> Time:
    return Time()


class Rig:
    """One delivery of a store to a destination, run as the runtime would."""

    def __init__(self, store: Store, backend: Destination, time: Time, folder: Path) -> None:
        self.store, self.backend, self.time, self.folder = store, backend, time, folder
        self.router = Router()
        self.policy = Policy()
        self.task: asyncio.Task[None] | None = None
        self.missed: list[int] = []

    async def start(self) -> Delivery:
        self.delivery = Delivery(
            "mqtt",
            self.backend,
            self.store,
            self.router,
            DeadLetters(self.folder / "dead", "mqtt", clock=lambda: 1.0),
            policy=self.policy,
            sleep=self.time.sleep,
            chance=lambda: 1.0,
            clock=self.time,
            tell_missed=self.missed.append,
        )
        await self.delivery.__aenter__()
        self.task = asyncio.create_task(self.delivery.run())
        await settle()
        return self.delivery

    async def kill(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.delivery.__aexit__(None, None, None)

    def dead(self) -> list[dict[str, object]]:
        rows = (self.folder / "dead" / "mqtt.ndjson").read_text().splitlines()
        return [json.loads(row) for row in rows]


@pytest.fixture
async def rig(store: Store, time: Time, tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(store, Destination(), time, tmp_path)
    yield made
    if made.task is not None and not made.task.done():
        await made.kill()


async def test_records_arrive_in_order_and_the_cursor_follows(rig: Rig) -> None:
    delivery = await rig.start()
    append(rig.store, *numbered(3))
    await settle()
    append(rig.store, *numbered(2, 3))
    await settle()
    assert rig.backend.messages == numbered(5)
    assert rig.store.cursors.get("mqtt") == rig.store.next_offset
    assert (delivery.lag, delivery.health.state) == (0, State.UP)
    assert delivery.health.counters["sent"] == 5
    assert delivery.health.counters["bytes"] > 5 * 50


async def test_a_new_backend_gets_what_comes_after_it_was_opened(rig: Rig) -> None:
    append(rig.store, "before")
    await rig.start()
    append(rig.store, "after")
    await settle()
    assert rig.backend.messages == ["after"]


async def test_what_came_while_nobody_delivered_arrives_later(rig: Rig) -> None:
    await rig.start()
    await rig.kill()
    append(rig.store, "meanwhile")
    await rig.start()
    assert rig.backend.messages == ["meanwhile"]


async def test_a_successor_goes_on_where_its_predecessor_ended_though_opened_before(
    rig: Rig,
) -> None:
    first = await rig.start()
    first_task = rig.task
    append(rig.store, "one")
    second = Delivery("mqtt", rig.backend, rig.store, rig.router, DeadLetters(rig.folder, "m"))
    await second.__aenter__()
    first.drain()
    assert first_task is not None
    await first_task
    second.drain()
    await second.run()
    assert rig.backend.messages == ["one"]


async def test_a_kill_repeats_at_most_the_batch_under_way(rig: Rig) -> None:
    rig.policy = Policy(max_records=2)
    await rig.start()

    def killed(batch: Batch) -> None:
        if batch[0].message == "line 2":
            rig.backend.batches.append([record.message for record in batch])
            raise asyncio.CancelledError

    rig.backend.trouble = killed
    append(rig.store, *numbered(6))
    await settle()
    rig.backend.trouble = lambda _: None
    await rig.start()
    assert rig.backend.batches[1:3] == [numbered(2, 2), numbered(2, 2)]
    assert rig.backend.messages == [*numbered(4), *numbered(4, 2)]


async def test_a_failing_destination_is_tried_again_with_growing_delays(
    rig: Rig, time: Time
) -> None:
    delivery = await rig.start()
    rig.backend.trouble = lambda _: Retryable("connection refused")
    append(rig.store, "x")
    await settle()
    for _ in range(7):
        await time.pass_(31)
    assert time.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert (delivery.health.state, delivery.health.reason) == (
        State.DEGRADED,
        "connection refused",
    )
    assert (rig.backend.messages, delivery.lag) == ([], 1)
    rig.backend.trouble = lambda _: None
    await time.pass_(31)
    assert rig.backend.messages == ["x"]
    assert delivery.health.state == State.UP
    assert delivery.health.counters["retried"] == len(time.slept) == 8


async def test_a_destination_that_says_when_is_not_asked_before(rig: Rig, time: Time) -> None:
    await rig.start()
    rig.backend.trouble = lambda _: Retryable("busy", retry_after=60)
    append(rig.store, "x")
    await settle()
    assert time.slept == [60.5]


async def test_a_destination_that_tells_when_it_is_back_is_waited_for(rig: Rig, time: Time) -> None:
    class Telling(Destination):
        def __init__(self) -> None:
            super().__init__()
            self.back = asyncio.Event()

        async def ready(self) -> None:
            await self.back.wait()

    rig.backend = telling = Telling()
    await rig.start()
    telling.trouble = lambda _: Retryable("away")
    append(rig.store, "x")
    for _ in range(5):
        await time.pass_(5)
    assert telling.tries == 1
    telling.trouble = lambda _: None
    telling.back.set()
    await settle()
    assert telling.messages == ["x"]


def spoilt(*words: str) -> object:
    def trouble(batch: Batch) -> DeliveryError | None:
        return Rejected("bad") if any(r.message in words for r in batch) else None

    return trouble


async def test_a_poison_record_is_set_aside_and_all_others_arrive(rig: Rig) -> None:
    delivery = await rig.start()
    rig.backend.trouble = spoilt("line 3", "line 90")  # type: ignore[assignment]
    append(rig.store, *numbered(100))
    await settle()
    await settle()
    expected = [text for text in numbered(100) if text not in ("line 3", "line 90")]
    assert rig.backend.messages == expected
    assert [row["record"]["message"] for row in rig.dead()] == ["line 3", "line 90"]  # type: ignore[index]
    assert rig.dead()[0]["reason"] == "bad"
    assert (delivery.health.counters["sent"], delivery.health.counters["rejected"]) == (98, 2)
    assert delivery.health.last_error == "bad"
    assert delivery.lag == 0


async def test_a_destination_that_names_the_poison_is_sent_nothing_twice(rig: Rig) -> None:
    delivery = await rig.start()
    rig.backend.trouble = lambda _: Rejected("too large", positions=[1, 3])
    append(rig.store, *numbered(5))
    await settle()
    assert rig.backend.tries == 1
    assert [row["record"]["message"] for row in rig.dead()] == ["line 1", "line 3"]  # type: ignore[index]
    assert (delivery.health.counters["sent"], delivery.lag) == (3, 0)


async def test_a_dead_letter_file_that_cannot_be_written_does_not_stop_delivery(
    rig: Rig, tmp_path: Path
) -> None:
    (tmp_path / "dead").write_text("a file where a folder should be")
    delivery = await rig.start()
    rig.backend.trouble = spoilt("line 0")  # type: ignore[assignment]
    append(rig.store, *numbered(2))
    await settle()
    assert rig.backend.messages == ["line 1"]
    assert delivery.health.counters["discarded"] == 1


async def test_a_batch_waits_for_company_until_its_first_record_is_old(
    rig: Rig, time: Time
) -> None:
    rig.backend = Patient()
    await rig.start()
    append(rig.store, "a")
    await settle()
    await time.pass_(0.6)
    append(rig.store, "b")
    await settle()
    assert rig.backend.batches == []
    await time.pass_(0.4)
    assert rig.backend.batches == [["a", "b"]]


async def test_a_full_batch_waits_for_nothing(rig: Rig) -> None:
    rig.backend = Patient()
    await rig.start()
    append(rig.store, *numbered(5))
    await settle()
    assert rig.backend.batches == [numbered(5)]


async def test_where_records_travel_in_groups_a_full_group_waits_for_nothing(
    rig: Rig, time: Time
) -> None:
    rig.backend = Grouping()
    await rig.start()
    append(rig.store, *numbered(4))
    append(rig.store, *numbered(4, 4), origin=API)
    await settle()
    assert rig.backend.batches == []
    append(rig.store, "full", origin=API)
    await settle()
    assert rig.backend.batches == [[*numbered(8), "full"]]
    append(rig.store, "late")
    await settle()
    assert len(rig.backend.batches) == 1
    await time.pass_(1.0)
    assert rig.backend.batches[1:] == [["late"]]


async def test_no_batch_exceeds_its_bytes_but_a_record_larger_than_that_goes_alone(
    rig: Rig,
) -> None:
    rig.policy = Policy(max_bytes=2000)
    await rig.start()
    append(rig.store, "x" * 900, "y" * 900, "z" * 5000, "end")
    await settle()
    assert [[text[:1] for text in batch] for batch in rig.backend.batches] == [
        ["x"], ["y"], ["z"], ["e"],
    ]  # fmt: skip


async def test_the_cursor_passes_records_that_go_elsewhere(rig: Rig, time: Time) -> None:
    rig.router = Router([Route(match=Match(service=("api",)), to=("mqtt",), final=False)])
    delivery = await rig.start()
    time.now += COMMIT_EVERY
    append(rig.store, *numbered(3))
    await settle()
    assert rig.backend.tries == 0
    assert rig.store.cursors.get("mqtt") == rig.store.next_offset
    append(rig.store, "not mine")
    append(rig.store, "mine", origin=API)
    append(rig.store, "not mine")
    await settle()
    assert rig.backend.messages == ["mine"]
    assert (delivery.lag, rig.store.cursors.get("mqtt")) == (0, rig.store.next_offset)


async def test_what_fell_off_retention_is_counted_exactly(store: Store, rig: Rig) -> None:
    store.resize(10)
    delivery = await rig.start()
    delivery.pause()
    for start in range(0, 25, 5):
        append(store, *numbered(5, start))
    delivery.resume()
    await settle()
    assert rig.backend.messages == numbered(10, 15)
    assert delivery.health.counters["missed"] == 15


async def test_drained_it_sends_what_waits_for_company_and_returns(rig: Rig) -> None:
    rig.backend = Patient()
    delivery = await rig.start()
    append(rig.store, "a")
    await settle()
    delivery.drain()
    assert rig.task is not None
    await rig.task
    assert rig.backend.messages == ["a"]


async def test_draining_ends_though_records_keep_coming(rig: Rig) -> None:
    delivery = await rig.start()
    delivery.pause()
    append(rig.store, "a")
    delivery.resume()
    delivery.drain()

    def chatty(_: Batch) -> None:
        append(rig.store, "more")

    rig.backend.trouble = chatty
    assert rig.task is not None
    await rig.task
    assert "a" in rig.backend.messages
    assert len(rig.backend.messages) <= 2


async def test_drained_it_waits_for_nobody_where_files_keep_the_rest(
    time: Time, tmp_path: Path
) -> None:
    async with Store(StoreSettings(path=tmp_path / "data", persist=True)) as store:
        rig = Rig(store, Destination(), time, tmp_path)
        rig.backend.trouble = lambda _: Retryable("away")
        delivery = await rig.start()
        append(store, "a")
        await settle()
        assert rig.backend.tries == 1
        delivery.drain()
        assert rig.task is not None
        await asyncio.wait_for(rig.task, 10)
        assert rig.backend.tries == 2
        assert delivery.lag == 1


async def test_drained_it_does_not_wait_for_a_destination_to_come_back(
    time: Time, tmp_path: Path
) -> None:
    class Away(Destination):
        async def ready(self) -> None:
            await asyncio.Event().wait()

    async with Store(StoreSettings(path=tmp_path / "data", persist=True)) as store:
        rig = Rig(store, Away(), time, tmp_path)
        rig.backend.trouble = lambda _: Retryable("away")
        delivery = await rig.start()
        append(store, "a")
        await time.pass_(60)  # the greeting is over
        assert rig.backend.tries == 1
        delivery.drain()
        assert rig.task is not None
        await asyncio.wait_for(rig.task, 10)


async def test_drained_it_waits_for_the_backend_where_nothing_else_keeps_the_rest(rig: Rig) -> None:
    rig.backend.trouble = lambda _: Retryable("away")
    delivery = await rig.start()
    append(rig.store, "a")
    await settle()
    delivery.drain()
    await settle()
    rig.backend.trouble = lambda _: None
    await rig.time.pass_(60)
    assert rig.task is not None
    await asyncio.wait_for(rig.task, 10)
    assert rig.backend.messages == ["a"]


async def test_paused_nothing_is_sent_and_resumed_all_of_it_is(rig: Rig) -> None:
    delivery = await rig.start()
    delivery.pause()
    append(rig.store, *numbered(3))
    await settle()
    assert (rig.backend.messages, delivery.lag) == ([], 3)
    delivery.resume()
    await settle()
    assert rig.backend.messages == numbered(3)


async def test_paused_it_stays_over_a_reload_and_a_restart(time: Time, tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "data", persist=True)
    async with Store(settings) as store:
        rig = Rig(store, Destination(), time, tmp_path)
        delivery = await rig.start()
        append(store, *numbered(2))
        await settle()
        delivery.pause()
        append(store, *numbered(2, 2))
        delivery.drain()  # a reload: another one takes its place
        assert rig.task is not None
        await asyncio.wait_for(rig.task, 10)
        delivery = await rig.start()
        await settle()
        assert (delivery.paused, delivery.lag, rig.backend.messages) == (True, 2, numbered(2))
        await rig.kill()
    async with Store(settings) as store:
        rig = Rig(store, rig.backend, time, tmp_path)
        delivery = await rig.start()
        assert (delivery.paused, delivery.lag) == (True, 2)
        delivery.resume()
        await until(lambda: rig.backend.messages == numbered(4))
        await rig.kill()
    async with Store(settings) as store:
        assert not store.cursors.is_paused("mqtt")


async def test_paused_while_a_destination_is_away_it_does_not_try_again(rig: Rig) -> None:
    rig.backend.trouble = lambda _: Retryable("away")
    delivery = await rig.start()
    append(rig.store, "a")
    await settle()
    delivery.pause()
    rig.backend.trouble = lambda _: None
    await rig.time.pass_(600)
    assert (rig.backend.tries, rig.backend.messages) == (1, [])
    delivery.resume()
    await settle()
    assert rig.backend.messages == ["a"]


async def test_moved_back_it_sends_again_from_there(rig: Rig) -> None:
    delivery = await rig.start()
    made = append(rig.store, *numbered(5))
    await settle()
    assert delivery.move(made[3].offset) == made[3].offset
    await settle()
    assert rig.backend.messages == numbered(5) + numbered(2, 3)
    assert delivery.lag == 0
    assert delivery.move(0) == made[0].offset
    await settle()
    assert rig.backend.messages[7:] == numbered(5)
    assert delivery.health.counters["missed"] == 0
    assert delivery.move(1 << 62) == rig.store.next_offset


async def test_moved_while_a_batch_is_on_its_way_the_batch_does_not_move_it_back(
    rig: Rig,
) -> None:
    delivery = await rig.start()
    made = append(rig.store, *numbered(3))

    def move(batch: Batch) -> None:
        rig.backend.trouble = lambda _: None
        delivery.move(made[1].offset)

    rig.backend.trouble = move
    await settle()
    assert rig.backend.messages == numbered(3) + numbered(2, 1)
    assert rig.store.cursors.get("mqtt") == rig.store.next_offset


async def test_moved_on_it_gives_up_a_batch_that_nobody_takes(rig: Rig) -> None:
    rig.backend.trouble = lambda batch: Retryable("no") if batch[0].message == "line 0" else None
    delivery = await rig.start()
    made = append(rig.store, *numbered(3))
    await settle()
    assert rig.backend.messages == []
    delivery.move(made[1].offset)
    await settle()
    assert rig.backend.messages == numbered(2, 1)


async def test_what_was_set_aside_is_sent_again_and_the_rest_set_aside_anew(rig: Rig) -> None:
    refused = {"line 1", "line 3"}

    def refuse(batch: Batch) -> Rejected | None:
        bad = any(record.message in refused for record in batch)
        return Rejected("too large") if bad else None

    rig.backend.trouble = refuse
    delivery = await rig.start()
    append(rig.store, *numbered(5))
    await settle()
    assert delivery.dead.count == 2
    cursor = rig.store.cursors.get("mqtt")
    refused.remove("line 1")
    assert delivery.revive() == 2
    await settle()
    assert "line 1" in rig.backend.messages
    assert delivery.dead.count == 1
    assert rig.store.cursors.get("mqtt") == cursor
    rows, _ = delivery.dead.page("", 10)
    assert [json.loads(row)["record"]["message"] for row in rows] == ["line 3"]
    assert not delivery.dead.waiting
    assert delivery.revive() == 1
    assert delivery.revive() == 0


async def test_what_a_backend_missed_is_told_as_one_number(store: Store, rig: Rig) -> None:
    store.resize(10)
    delivery = await rig.start()
    delivery.pause()
    append(store, *numbered(25))
    delivery.resume()
    await settle()
    assert rig.missed == [15]
    delivery.pause()
    append(store, *numbered(12))
    delivery.resume()
    await settle()
    assert rig.missed == [15, 2]
    assert delivery.health.counters["missed"] == 17


async def test_the_backend_is_opened_and_closed_with_the_delivery(rig: Rig) -> None:
    delivery = await rig.start()
    assert rig.backend.entered == 1
    await rig.kill()
    assert rig.backend.entered == 0
    assert delivery.health.state == State.STOPPED


async def test_a_backend_that_cannot_be_opened_gets_no_cursor(rig: Rig) -> None:
    class Closed(Destination):
        async def __aenter__(self) -> Closed:
            raise OSError("no")

    rig.backend = Closed()
    with pytest.raises(OSError, match="no"):
        await rig.start()
    assert rig.store.cursors.get("mqtt") is None


async def test_what_has_arrived_is_passed_though_the_rest_of_what_was_read_has_not(
    rig: Rig,
) -> None:
    rig.policy = Policy(max_bytes=1000)
    await rig.start()
    rig.backend.trouble = lambda batch: (
        Retryable("away") if batch[0].message.startswith("y") else None
    )
    first, *_ = append(rig.store, "x" * 900, "y" * 900)
    await settle()
    assert rig.store.cursors.get("mqtt") == first.offset + 1
