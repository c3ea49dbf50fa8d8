import asyncio
import os
from pathlib import Path

import pytest

from tests.unit.store.rig import MS, Rig, everything, messages, numbered, opened, stored
from towline.config.settings import Match
from towline.errors import StoreError
from towline.record import Origin, OriginType
from towline.store.query import Query
from towline.store.removal import remove

DB = Origin(type=OriginType.CONTAINER, name="db", device="pi", service="db", container_id="d" * 12)
OF_DB = Query(match=Match(service=("db",)))


def mixed(rig: Rig) -> None:
    """Three files, an open one and some lines that are in memory alone; of two origins in turn."""
    for _ in range(3):
        for _ in range(3):
            rig.add(1, origin=DB)
            rig.add(1)
        rig.store.flush()
        rig.store.files.roll()
    for origin in (DB, DB):
        rig.add(1, origin=origin)
        rig.add(1)
    rig.store.flush()
    rig.add(1, origin=DB)
    rig.add(1)


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("memory", [1, 5, 10_000])
async def test_what_is_removed_is_gone_from_memory_and_files(
    tmp_path: Path, memory: int, compression: str
) -> None:
    left = numbered(24)[1::2]
    async with opened(tmp_path, memory=memory) as rig:
        rig.store.files.compression = compression
        mixed(rig)
        before = await everything(rig)
        assert before == numbered(24)
        assert await remove(rig.store, OF_DB) == 12
        assert await everything(rig) == left
        assert stored(tmp_path) == left
        assert await rig.store.count(OF_DB) == 0
        assert await remove(rig.store, OF_DB) == 0
        rig.add(1, origin=DB)
        assert (await everything(rig))[-1] == "line 24"
    async with opened(tmp_path) as rig:
        assert await everything(rig) == [*left, "line 24"]


async def test_from_a_store_in_memory_alone_records_are_removed_too(tmp_path: Path) -> None:
    async with opened(tmp_path, persist=False, memory=10) as rig:
        for _ in range(10):
            rig.add(1, origin=DB)
            rig.add(1)
        reader = rig.store.reader(rig.store.memory_offset)
        assert await remove(rig.store, OF_DB) == 5
        assert await everything(rig) == numbered(20)[11::2]
        assert messages(await reader.take(3)) == ["line 11"]
        assert messages(await reader.take(100)) == numbered(20)[13::2]
        assert reader.missed == 5
        rig.store.resize(4)
        assert await everything(rig) == numbered(20)[17::2]
        rig.add(3)
        assert await everything(rig) == ["line 19", *numbered(3, 20)]
        assert messages(await reader.take(100)) == numbered(3, 20)


async def test_all_of_a_store_can_be_removed_and_it_goes_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        mixed(rig)
        assert await remove(rig.store, Query()) == 24
        assert list((tmp_path / "logs").iterdir()) == []
        rig.add(2)
        assert await everything(rig) == numbered(2, 24)
    async with opened(tmp_path) as rig:
        assert await everything(rig) == numbered(2, 24)


async def test_files_that_hold_nothing_of_it_are_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(3)
        rig.add(1)
        rig.store.flush()
        before = {path: path.stat().st_ino for path in (tmp_path / "logs").iterdir()}
        assert await remove(rig.store, OF_DB) == 0
        assert await remove(rig.store, Query(until=MS + 10_000)) == 10
        after = {path: path.stat().st_ino for path in (tmp_path / "logs").iterdir()}
        assert len(after) >= 4
        assert all(before[path] == inode for path, inode in after.items() if path in before)


async def test_readers_count_what_a_person_removed_before_they_came(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=5) as rig:
        start = rig.store.next_offset
        mixed(rig)
        behind = rig.store.reader(start)
        assert len(await behind.take(3)) == 3  # two of the database
        ahead = rig.store.reader(rig.store.next_offset)
        await remove(rig.store, OF_DB)
        found = []
        while batch := await behind.take(4):
            found += batch
        assert messages(found) == numbered(24)[3::2]
        assert (behind.missed, ahead.missed) == (10, 0)
        assert await ahead.take(5) == []


async def test_records_that_come_meanwhile_stay(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=5) as rig:
        mixed(rig)
        removing = asyncio.create_task(remove(rig.store, Query()))
        await asyncio.sleep(0)
        made = 0
        while not removing.done():
            rig.add(1)
            made += 1
            await asyncio.sleep(0)
        assert removing.result() == 24
        assert await everything(rig) == numbered(made, 24)


async def test_a_disk_that_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as rig:
        mixed(rig)
        await rig.store.files.settle()

        def full(descriptor: int) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space"):
            await remove(rig.store, OF_DB)
        monkeypatch.undo()
        await remove(rig.store, OF_DB)
        assert await everything(rig) == numbered(24)[1::2]
