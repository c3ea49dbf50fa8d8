from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.api.world import DB, World
from tests.unit.api.world import world as open_world
from towline.config.settings import Match
from towline.config.settings import Store as StoreSettings
from towline.live import frames
from towline.live.frames import Frame
from towline.live.press import Press
from towline.live.viewer import TAKE, Viewer, Wish
from towline.live.viewers import Full, Viewers
from towline.record import record_id
from towline.store.log import Store
from towline.store.query import Query


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, memory=100) as found:
        yield found


class Listener:
    """Reads a viewer's frames as its client would."""

    def __init__(self, stream: AsyncGenerator[Frame, None]) -> None:
        self._stream = stream
        self.ids: list[str] = []

    async def frame(self) -> dict[str, Any]:
        frame = await anext(self._stream)
        self.ids.append(frame.id)
        found: dict[str, Any] = msgspec.json.decode(frame.payload)
        return found

    async def messages(self, count: int) -> list[str]:
        """The next records' messages; every other frame is a fault."""
        found: list[str] = []
        while len(found) < count:
            frame = await self.frame()
            assert frame["type"] == "logs", frame
            found += [record["message"] for record in frame["logs"]]
        return found


@asynccontextmanager
async def listening(
    world: World, wish: Wish | None = None, *, pace: float = 0, heartbeat: float = 60
) -> AsyncIterator[Listener]:
    viewer = Viewer(world.store, wish or Wish(), Press(pace), heartbeat=heartbeat)
    async with aclosing(viewer.frames()) as stream:
        yield Listener(stream)


async def test_hello_comes_first_and_says_where_the_store_stands(world: World) -> None:
    world.say("a")
    async with listening(world, Wish(facts={"origin": None})) as listener:
        hello = await listener.frame()
    assert hello["type"] == "hello"
    assert hello["store"]["next"] == record_id(world.store.next_offset)
    assert hello["origin"] is None


async def test_a_viewer_sees_what_comes_after_it_came(world: World) -> None:
    world.say("before")
    async with listening(world) as listener:
        await listener.frame()
        world.say("a")
        assert await listener.messages(1) == ["a"]
        world.say("b", "c")
        assert await listener.messages(2) == ["b", "c"]


async def test_records_are_passed_on_byte_for_byte(world: World) -> None:
    async with listening(world) as listener:
        await listener.frame()
        record = world.say('quote " ü')[0]
        frame = await anext(listener._stream)
    assert frame.payload == b'{"type":"logs","logs":[' + record.json + b"]}"
    assert frame.id == record.id


async def test_tail_comes_in_store_order_and_joins_what_comes_live(world: World) -> None:
    world.say("a", "b", "c")
    async with listening(world, Wish(tail=2)) as listener:
        await listener.frame()
        world.say("d")  # between hello and tail: must come once
        assert await listener.messages(3) == ["b", "c", "d"]


async def test_tail_counts_records_that_the_filter_keeps(world: World) -> None:
    world.say("a", "b", origin=DB)
    world.say("c", "d")
    wish = Wish(query=Query(match=Match(service=("db",))), tail=1)
    async with listening(world, wish) as listener:
        await listener.frame()
        assert await listener.messages(1) == ["b"]
        world.say("e")
        world.say("f", origin=DB)
        assert await listener.messages(1) == ["f"]


async def test_without_follow_it_ends_after_what_there_was(world: World) -> None:
    records = world.say("a", "b")
    for wish, expected in [
        (Wish(tail=10, follow=False), ["a", "b"]),
        (Wish(after=records[0].offset, follow=False), ["b"]),
        (Wish(after=records[1].offset, follow=False), []),
        (Wish(follow=False), []),
    ]:
        viewer = Viewer(world.store, wish, Press())
        found = [msgspec.json.decode(frame.payload) async for frame in viewer.frames()]
        logs = [record["message"] for frame in found[1:] for record in frame["logs"]]
        assert logs == expected


async def test_resume_gives_every_record_once(world: World) -> None:
    records = world.say(*(f"m{i}" for i in range(50)))
    async with listening(world, Wish(after=records[20].offset, tail=5)) as listener:
        await listener.frame()
        world.say("live")
        assert await listener.messages(30) == [*(f"m{i}" for i in range(21, 50)), "live"]


async def test_resume_reads_from_files_what_memory_forgot(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path, persist=True)
    async with Store(settings, memory=10) as store:
        world = World(store)
        records = [record for i in range(300) for record in world.say(f"m{i}")]
        async with listening(world, Wish(after=records[0].offset)) as listener:
            await listener.frame()
            assert await listener.messages(299) == [f"m{i}" for i in range(1, 300)]
            world.say("live")
            assert await listener.messages(1) == ["live"]


async def test_resume_beyond_what_is_kept_is_an_exact_gap(world: World) -> None:
    records = [record for i in range(150) for record in world.say(f"m{i}")]  # memory holds 100
    async with listening(world, Wish(after=records[9].offset)) as listener:
        await listener.frame()
        gap = await listener.frame()
        assert gap == {"type": "gap", "missed": 40, "reason": "expired"}
        assert (await listener.messages(100))[0] == "m50"


async def test_an_id_of_another_store_is_said_and_live_records_go_on(world: World) -> None:
    async with listening(world, Wish(after=world.store.next_offset + 5)) as listener:
        await listener.frame()
        gap = await listener.frame()
        assert gap == {"type": "gap", "missed": None, "reason": "unknown_id"}
        world.say("a")
        assert await listener.messages(1) == ["a"]


async def test_a_slow_viewer_loses_only_its_own_and_is_told_how_many(world: World) -> None:
    async with listening(world) as slow, listening(world) as quick:
        await slow.frame()
        await quick.frame()
        for i in range(25):
            texts = [f"{i}-{j}" for j in range(10)]
            world.say(*texts)
            assert await quick.messages(10) == texts
        assert await slow.frame() == {"type": "gap", "missed": 150, "reason": "slow"}
        assert (await slow.messages(100))[0] == "15-0"
        world.say("the loss is told once")
        assert await slow.messages(1) == ["the loss is told once"]


async def test_a_frame_is_bounded_in_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME", 2000)
    async with listening(world, Wish(tail=10)) as listener:
        world.say(*("x" * 900 for _ in range(4)), "y" * 9000)
        await listener.frame()
        sizes: list[int] = []
        while sum(sizes) < 5:
            sizes.append(len((await listener.frame())["logs"]))
    assert sizes == [1, 1, 1, 1, 1]


async def test_a_turn_takes_a_bounded_number_of_records(tmp_path: Path) -> None:
    async with open_world(tmp_path, memory=3 * TAKE) as world, listening(world) as listener:
        await listener.frame()
        world.say(*("m" for _ in range(TAKE + 1)))
        assert len((await listener.frame())["logs"]) == TAKE
        assert len((await listener.frame())["logs"]) == 1


async def test_what_comes_within_the_pace_goes_in_one_frame(world: World) -> None:
    async with listening(world, pace=0.01) as listener:
        await listener.frame()
        world.say("first")
        assert len((await listener.frame())["logs"]) == 1
        pending = asyncio.ensure_future(listener.frame())
        for i in range(5):
            world.say(f"m{i}")
            await asyncio.sleep(0)
        assert len((await pending)["logs"]) == 5


async def test_viewers_that_want_the_same_share_one_frame_and_its_wire(world: World) -> None:
    press = Press(0)
    query = Query(text="a")
    wishes = [Wish(), Wish(), Wish(query=query), Wish(query=replace(query))]
    streams = [Viewer(world.store, wish, press).frames() for wish in wishes]
    for stream in streams:
        await anext(stream)
    world.say("a", "b")
    found = [await anext(stream) for stream in streams]
    assert found[0] is found[1]
    assert found[2] is found[3]
    assert found[0] is not found[2]
    assert found[0].message is found[1].message
    for stream in streams:
        await stream.aclose()


async def test_the_beat_is_everybodys_and_outlives_those_who_leave() -> None:
    press = Press(0)
    first, second = (asyncio.ensure_future(press.beat()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    await press.beat()


async def test_silence_is_broken_by_pings_that_say_how_far_it_looked(world: World) -> None:
    wish = Wish(query=Query(match=Match(service=("db",))))
    async with listening(world, wish, heartbeat=0.01) as listener:
        await listener.frame()
        world.say("not wanted")
        last = record_id(world.store.next_offset - 1)
        ping = await listener.frame()
        while ping["after"] != last:
            ping = await listener.frame()
        assert ping["type"] == "ping"
        assert listener.ids[-1] == last


async def test_pings_come_though_records_pass_that_are_not_wanted(world: World) -> None:
    wish = Wish(query=Query(text="never"))
    async with listening(world, wish, heartbeat=0.01) as listener:
        await listener.frame()

        async def chatter() -> None:
            while True:
                world.say("other")
                await asyncio.sleep(0)

        talking = asyncio.ensure_future(chatter())
        assert (await listener.frame())["type"] == "ping"
        talking.cancel()


async def test_a_plain_query_costs_no_filter(world: World) -> None:
    viewer = Viewer(world.store, Wish(query=replace(Query(), limit=7, newest_first=False)), Press())
    assert viewer._keep is None
    assert Viewer(world.store, Wish(query=Query(text="a")), Press())._keep is not None


def test_events_carry_the_id_to_resume_from() -> None:
    event = frames.logs([b'{"a":1}'], "0123").event
    assert event == b'id: 0123\ndata: {"type":"logs","logs":[{"a":1}]}\n\n'
    assert frames.gap(3, "slow").event.startswith(b"data: ")


async def test_there_are_only_so_many_seats() -> None:
    viewers = Viewers(limit=1)
    with viewers.seat():
        assert viewers.open == 1
        with pytest.raises(Full), viewers.seat():
            pass
    with viewers.seat():
        pass
    assert viewers.open == 0
    assert viewers.health.counters == {"served": 2, "refused": 1}
