import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.store.rig import MS, Rig, opened, until
from towline.config.settings import Upkeep as UpkeepSettings
from towline.status import State
from towline.store.checkpoints import Checkpoint, Checkpoints
from towline.store.upkeep import Ledger, Progress, Upkeep

SETTINGS = UpkeepSettings(
    memory=10_000,
    flush=0.0,
    max_file_size=10_000_000,
    compression="none",
    max_age=3600.0,
    max_size=1_000_000_000,
    min_free=0,
    rules=(),
)


class Reading:
    """A source that has read up to a row of one container."""

    def __init__(self, name: str, seq: int, covered: int) -> None:
        self.name = name
        self.seq = seq
        self.covered = covered
        self.asked: list[bool] = []
        self.saved = 0
        self.during: Callable[[], None] = lambda: None

    def progress(self, *, final: bool = False) -> Progress:
        self.asked.append(final)
        self.during()
        point = Checkpoint(engine="E", container=self.name, seq=self.seq, since="", rows=(1, 2, 3))
        return Progress([point], self.covered, self._saved)

    def _saved(self) -> None:
        self.saved += 1


def upkeep(rig: Rig, *, now: float = MS / 1000, **more: float) -> Upkeep:
    settings = replace(SETTINGS, **more)  # type: ignore[arg-type]
    return Upkeep(rig.store, Ledger(rig.store), settings, clock=lambda: now)


async def test_files_are_removed_when_their_newest_record_is_too_old(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        made = rig.fill(5)  # ten seconds each
        keeper = upkeep(rig, now=MS / 1000 + 30 + 3600)
        assert await keeper.clean() == 30
        assert rig.store.first_offset == made[30].offset
        assert keeper.health.counters["removed"] == 30
        assert await keeper.clean() == 0
        assert len(list((tmp_path / "logs").iterdir())) == 4  # two files, two indexes


async def test_the_open_file_goes_too_when_all_of_it_is_too_old(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.add(10)
        rig.store.flush()
        assert await upkeep(rig, now=MS / 1000 + 3600 + 9).clean() == 0
        assert await upkeep(rig, now=MS / 1000 + 3600 + 10).clean() == 10
        assert list((tmp_path / "logs").iterdir()) == []
        made = rig.add(3)
        rig.store.flush()
        assert rig.store.first_offset in (made[0].offset, made[0].offset - 1)


async def test_the_oldest_files_go_until_the_size_fits_but_never_the_open_one(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as rig:
        made = rig.fill(5) + rig.add(5)
        rig.store.flush()
        await rig.store.files.settle()
        size = rig.store.files.size
        two = sum(segment.size for segment in rig.store.segments[:2])
        assert await upkeep(rig, max_size=size).clean() == 0
        assert await upkeep(rig, max_size=size - 1).clean() == 10
        assert await upkeep(rig, max_size=size - two - 1).clean() == 20
        assert rig.store.first_offset == made[30].offset
        assert await upkeep(rig, max_size=0).clean() == 20
        assert [segment.first for segment in rig.store.segments] == [made[50].offset]


async def test_a_file_that_is_being_compressed_can_be_removed(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files.compression = "zstd"
        rig.fill(3)  # nobody waited for them
        assert await upkeep(rig, now=MS / 1000 + 10_000).clean() == 30
        await rig.store.files.settle()
        assert list((tmp_path / "logs").iterdir()) == []


async def test_a_file_without_a_record_is_not_taken_for_an_old_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files._begin(rig.store.next_offset)
        assert await upkeep(rig).clean() == 0
        assert len(rig.store.segments) == 1


async def test_settings_take_hold_and_cleaning_happens_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(1)
        keeper = Upkeep(
            rig.store,
            Ledger(rig.store),
            replace(SETTINGS, memory=5, max_file_size=123, compression="gzip"),
            clock=lambda: MS / 1000 + 10_000,
        )
        async with keeper:
            running = asyncio.create_task(keeper.run())
            await until(lambda: keeper.health.counters["removed"])
            assert keeper.health.state is State.UP
            assert rig.store.ring.capacity == 5
            assert rig.store.files.max_file_size == 123
            assert rig.store.files.compression == "gzip"
            running.cancel()
            await until(running.done)
        assert str(keeper.health.state) == "stopped"


async def test_a_disk_that_refuses_to_sync_is_said_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as rig:
        rig.add(1)
        rig.store.flush()
        ledger = Ledger(rig.store)
        reading = Reading("c1", 5, 0)
        ledger.join(reading)
        keeper = Upkeep(rig.store, ledger, SETTINGS, clock=lambda: MS / 1000)
        (tmp_path / "checkpoints").mkdir()
        running = asyncio.create_task(keeper.run())
        await until(lambda: keeper.health.state is State.DEGRADED)
        assert "cannot sync" in keeper.health.reason
        assert reading.saved == 0
        (tmp_path / "checkpoints").rmdir()
        await until(lambda: keeper.health.state is State.UP)
        assert reading.saved > 0
        running.cancel()
        await until(running.done)
    assert "the store cannot sync" in caplog.messages


async def test_checkpoints_are_saved_only_after_the_records_they_cover_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as rig:
        order: list[str] = []
        sync, save = rig.store.sync, rig.store.checkpoints.save

        async def synced() -> int:
            order.append(f"sync {rig.store.next_offset - start}")
            reached = await sync()
            order.append("synced")
            return reached

        def saving(points: list[Checkpoint], covered: int) -> None:
            order.append(f"save {[point.seq for point in points]} {covered - start}")
            save(points, covered)

        monkeypatch.setattr(rig.store, "sync", synced)
        monkeypatch.setattr(rig.store.checkpoints, "save", saving)
        start = rig.store.next_offset
        rig.add(5)
        ledger = Ledger(rig.store)
        reading = Reading("c1", 5, start + 5)
        reading.during = lambda: order.append("progress")
        ledger.join(reading)
        saved = asyncio.create_task(ledger.save())
        await asyncio.sleep(0)
        rig.add(3)  # comes too late for this round
        reading.seq = 8
        await saved
        assert order == ["progress", "sync 5", "synced", "save [5] 5"]
        assert reading.saved == 1
    again = Checkpoints(tmp_path / "checkpoints").get("E", "c1")
    assert again is not None
    assert again.seq == 5


async def test_no_checkpoint_is_saved_for_what_the_disk_did_not_take(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        (tmp_path / "logs").rmdir()  # no file can be begun
        rig.add(5)
        ledger = Ledger(rig.store)
        reading = Reading("c1", 5, rig.store.next_offset)
        ledger.join(reading)
        await ledger.save()
        assert rig.store.health.state is State.DEGRADED
        assert reading.saved == 0
        assert rig.store.checkpoints.get("E", "c1") is None
        (tmp_path / "logs").mkdir()
        await ledger.save()
        assert reading.saved == 1
        assert str(rig.store.health.state) == "up"


async def test_what_is_covered_is_what_the_slowest_source_and_the_disk_have(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as rig:
        start = rig.store.next_offset
        rig.add(10)
        ledger = Ledger(rig.store)
        ledger.join(Reading("c1", 1, start + 4))
        ledger.join(Reading("c2", 2, start + 90))
        await ledger.save()
        assert rig.store.checkpoints.covered == start + 4
        assert rig.store.checkpoints.get("E", "c2") is not None


async def test_a_source_that_leaves_is_asked_for_everything_a_last_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        ledger = Ledger(rig.store)
        leaving, staying = Reading("c1", 1, 0), Reading("c2", 2, 0)
        ledger.join(leaving)
        ledger.join(staying)
        await ledger.save()
        await ledger.leave(leaving)
        await ledger.save(final=True)
        assert leaving.asked == [False, True]
        assert staying.asked == [False, True, True]
        assert leaving.saved == 2
