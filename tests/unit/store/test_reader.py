import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.store.rig import messages, opened, until
from towline.record import Record
from towline.store.reader import Reader
from towline.store.taken import MOST, Taken


async def drained(reader: Reader, limit: int = 7) -> list[Record]:
    found: list[Record] = []
    while batch := await reader.take(limit):
        assert len(batch) <= limit
        found += batch
    return found


async def test_a_reader_goes_on_where_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        made = rig.add(20)
        reader = rig.store.reader(made[5].offset)
        assert await reader.take(4) == made[5:9]
        assert reader.offset == made[9].offset
        assert await drained(reader) == made[9:]
        assert await reader.take(5) == []
        assert await rig.store.reader(made[-1].offset + 100).take(5) == []


async def test_a_reader_waits_until_there_is_something(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.add(3)
        reader = rig.store.reader(rig.store.next_offset)
        waiting = asyncio.create_task(reader.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        made = rig.add(1)
        await waiting
        assert await reader.take(5) == made
        await rig.store.reader(0).wait()  # there is something: at once


async def test_a_reader_far_behind_reads_files_and_goes_over_to_memory(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=15) as rig:
        made = rig.fill(5) + rig.add(3)
        reader = rig.store.reader(0)
        assert await drained(reader) == made
        assert reader.missed == 0
        made = rig.add(100)
        assert await drained(reader, 1000) == made
        assert reader.missed == 0


async def test_a_restart_leaves_no_hole_for_a_reader(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        made = rig.fill(2)
    async with opened(tmp_path) as rig:
        rig.numbers = iter(range(20, 21))
        made += rig.add(10)
        reader = rig.store.reader(made[3].offset)
        assert messages(await drained(reader)) == messages(made[3:])
        assert reader.missed == 0


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("seed", range(4))
async def test_readers_see_each_record_once_and_in_order_while_files_roll(
    tmp_path: Path, seed: int, compression: str
) -> None:
    dice = random.Random(seed)
    async with opened(tmp_path, memory=40) as rig:
        rig.store.files.compression = compression
        rig.store.files.max_file_size = 4_000
        start = rig.store.next_offset
        readers = [rig.store.reader(start) for _ in range(4)]
        seen: list[list[int]] = [[] for _ in readers]
        total = 1_500

        async def read(reader: Reader, into: list[int], limit: int) -> None:
            while len(into) < total:
                await reader.wait()
                into += [record.offset for record in await reader.take(limit)]
                for _ in range(dice.randrange(3)):
                    await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            for reader, into, limit in zip(readers, seen, (1, 3, 20, 500), strict=True):
                tasks.create_task(read(reader, into, limit))
            left = total
            while left:
                count = min(left, dice.randrange(1, 30))
                rig.add(count)
                left -= count
                await asyncio.sleep(0)
        assert all(into == list(range(start, start + total)) for into in seen)
        assert [reader.missed for reader in readers] == [0] * 4


async def test_what_retention_removes_under_a_reader_is_counted_exactly(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        made = rig.fill(4)
        behind, inside, ahead, done = (rig.store.reader(made[at].offset) for at in (0, 4, 10, 39))
        assert await inside.take(2) == made[4:6]
        await rig.store.drop(rig.store.segments[0])
        for reader in (behind, inside, ahead):
            assert await drained(reader) == made[10:]
        assert await drained(done) == made[39:]
        assert [reader.missed for reader in (behind, inside, ahead, done)] == [10, 4, 0, 0]


async def test_a_reader_that_comes_after_retention_counts_what_went_in_this_run(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        made = rig.fill(4)
        await rig.store.drop(rig.store.segments[0])
        await rig.store.drop(rig.store.segments[0])
        for at, missed in ((0, 20), (5, 15), (10, 10), (19, 1), (20, 0), (35, 0)):
            reader = rig.store.reader(made[at].offset)
            assert await drained(reader) == made[max(at, 20) :]
            assert reader.missed == missed
        for segment in list(rig.store.segments):
            await rig.store.drop(segment)
        reader = rig.store.reader(made[0].offset)
        await drained(reader)
        assert reader.missed == 39  # the last one is still in memory


async def test_retention_during_a_read_of_files_loses_and_repeats_nothing_uncounted(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        made = rig.fill(6, 50)
        reader = rig.store.reader(made[0].offset)
        found: list[Record] = []
        while len(found) + reader.missed < 300:
            taking = asyncio.create_task(reader.take(20))
            await asyncio.sleep(0)
            if len(rig.store.segments) > 1:
                await rig.store.drop(rig.store.segments[0])
            found += await taking
        offsets = [record.offset for record in found]
        assert offsets == sorted(set(offsets))
        assert len(found) + reader.missed == 300


async def test_what_was_read_before_retention_removed_it_is_handed_out_and_not_missed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        made = rig.fill(3)
        reader = rig.store.reader(made[0].offset)
        found = await reader.take(4)
        await rig.store.drop(rig.store.segments[0])
        found += await drained(reader)
        assert len(found) + reader.missed == 30
        assert found[-20:] == made[10:]


async def test_a_reader_of_memory_alone_skips_and_counts(tmp_path: Path) -> None:
    for persist in (True, False):
        async with opened(tmp_path, memory=10, persist=persist) as rig:
            start = rig.store.next_offset
            reader = rig.store.reader(start, memory_only=True)
            made = rig.add(4)
            assert await drained(reader) == made
            made = rig.add(25)
            assert await drained(reader) == made[-10:]
            assert reader.missed == 15
            cold = rig.store.reader(0, memory_only=True)
            assert await drained(cold) == made[-10:]
            assert cold.missed == 19  # of this run; what was before it nobody can count


async def test_a_reader_whose_taking_was_cancelled_goes_on_rightly(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        made = rig.fill(3, 100)
        reader = rig.store.reader(made[0].offset)
        found = await reader.take(30)
        for turns in (1, 1, 2, 3):
            taking = asyncio.create_task(reader.take(50))
            for _ in range(turns):
                await asyncio.sleep(0)
            taking.cancel()
            await until(taking.done)
            if not taking.cancelled():
                found += taking.result()
        assert found + await drained(reader) == made


async def test_two_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        made = rig.fill(2, 30)
        one, other = rig.store.reader(made[0].offset), rig.store.reader(made[0].offset)
        both = await asyncio.gather(drained(one, 3), drained(other, 11))
        assert list(both) == [made, made]


spans = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=8)


@given(spans, st.integers(0, 300), st.integers(0, 300))
def test_dense_ranges_are_counted_to_the_record(
    given: list[tuple[int, int]], start: int, end: int
) -> None:
    taken, at, model = Taken(), 0, set[int]()
    for hole, count in given:
        at += hole
        taken.add(at, at + count, count)
        model |= set(range(at, at + count))
        at += count
    assert taken.between(start, end) == len(model & set(range(start, end)))


def test_a_range_over_a_restart_is_exact_as_a_whole() -> None:
    taken = Taken()
    taken.add(0, 1_000_000, 10)
    assert taken.between(0, 1_000_000) == 10
    assert taken.between(999_998, 2_000_000) == 2
    assert taken.between(1_000_000, 2_000_000) == 0


def test_ranges_kept_apart_are_bounded_and_none_is_forgotten() -> None:
    taken = Taken()
    for number in range(MOST * 2):
        taken.add(number * 10, number * 10 + 1, 1)
    assert taken.between(0, MOST * 20) == MOST * 2
    assert len(taken._ranges) <= MOST
