import asyncio
import os
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.store.rig import MS, Rig, everything, messages, numbered, opened, stored
from tests.unit.store.test_upkeep import SETTINGS
from towline.config.settings import Keep, Match
from towline.record import Origin, OriginType, Record
from towline.store import rewrite
from towline.store.reader import Reader
from towline.store.retention import LEAST_FILE, Retention
from towline.store.segment import Segment

HOUR = 3600.0
NOW = MS / 1000
DB = Origin(type=OriginType.CONTAINER, name="db", device="pi", service="db", container_id="d" * 12)
DEBUG = Keep(match=Match(level=("debug",)), max_age=HOUR)
DB_LONG = Keep(match=Match(service=("db",)), max_age=100 * HOUR)


def retention(rig: Rig, *rules: Keep, hours: float, **more: Any) -> Retention:
    """The retention of 10 hours and some rules, as it is so many hours after the first record."""
    settings = replace(SETTINGS, max_age=10 * HOUR, rules=rules, **more)
    return Retention(rig.store, settings, clock=lambda: NOW + hours * HOUR, monotonic=lambda: 0.0)


async def drained(reader: Reader) -> list[str]:
    found: list[Record] = []
    while batch := await reader.take(7):
        found += batch
    return messages(found)


def mixed(rig: Rig, files: int = 1) -> None:
    """Files of ten records: six of the database, two debug lines, two others."""
    for _ in range(files):
        rig.add(6, origin=DB)
        rig.add(2, level="debug")
        rig.add(2)
        rig.store.flush()
        rig.store.files.roll()


async def test_the_first_rule_that_matches_says_how_old_a_record_may_grow(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.add(5, origin=DB, level="debug")
        rig.add(5, origin=DB)
        rig.add(5, level="debug")
        rig.add(5)
        rig.store.flush()
        rig.store.files.roll()
        rig.add(1)
        for hours, gone, left in (
            (0.5, 0, numbered(21)),
            (1.5, 5, numbered(10) + numbered(6, 15)),
            (11, 6, numbered(10)),
            (99, 0, numbered(10)),
            (101, 10, []),
        ):
            assert await retention(rig, DB_LONG, DEBUG, hours=hours).clean() == gone
            await rig.store.files.settle()
            assert stored(tmp_path) == left
            page = await everything(rig)
            assert page == left + numbered(1, 20) * ("line 20" not in left)


@pytest.mark.parametrize("compression", ["none", "zstd", "gzip"])
async def test_records_that_stay_keep_their_bytes_and_offsets(
    tmp_path: Path, compression: str
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.store.files.compression = compression
        mixed(rig, 2)
        await rig.store.files.settle()
        before = {path.name for path in (tmp_path / "logs").iterdir()}
        rows = [row for segment in rig.store.segments for row in segment.lines()]
        assert await retention(rig, DEBUG, hours=2).clean() == 4
        assert {path.name for path in (tmp_path / "logs").iterdir()} == before
        kept = [row for segment in rig.store.segments for row in segment.lines()]
        assert kept == rows[:6] + rows[8:16] + rows[18:]
        assert [segment.facts.count for segment in rig.store.segments] == [8, 8]
        assert all(s.size == s.path.stat().st_size for s in rig.store.segments)
        assert all("debug" not in segment.facts.levels for segment in rig.store.segments)
    async with opened(tmp_path) as rig:
        assert [segment.facts.count for segment in rig.store.segments] == [8, 8]
        assert len(await everything(rig)) == 16


async def test_a_file_is_neither_read_nor_written_when_its_facts_tell_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        mixed(rig, 3)

        def read(segment: Segment) -> Any:
            raise AssertionError(segment.path)

        monkeypatch.setattr(Segment, "lines", read)
        assert await retention(rig, DEBUG, DB_LONG, hours=0.9).clean() == 0  # all too young
        assert await retention(rig, hours=5).clean() == 0  # no rules
        warn = Keep(match=Match(level=("warn",)), max_age=HOUR)
        assert await retention(rig, warn, hours=5).clean() == 0  # nothing that it matches
        assert await retention(rig, DEBUG, DB_LONG, hours=102).clean() == 30  # all too old


async def test_a_file_is_written_anew_only_when_it_is_worth_it_or_overdue(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.add(2, level="debug")
        rig.add(98)
        rig.store.flush()
        rig.store.files.roll()
        keeper = retention(rig, DEBUG, hours=1.5)
        reads = 0
        measure = keeper._rules.measure

        def counted(*args: Any) -> Any:
            nonlocal reads
            reads += 1
            return measure(*args)

        keeper._rules.measure = counted  # type: ignore[method-assign, assignment]
        assert await keeper.clean() == await keeper.clean() == 0
        assert reads == 1
        assert await retention(rig, DEBUG, hours=2.1).clean() == 2  # twice as old as they may be
        assert stored(tmp_path) == numbered(98, 2)


async def test_a_quiet_open_file_does_not_keep_what_a_rule_lets_go(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.add(1, level="debug")
        rig.add(1)
        rig.store.flush()
        assert await retention(rig, DEBUG, hours=1.5).clean() == 1
        assert stored(tmp_path) == ["line 1"]
        rig.add(1)
        rig.store.flush()
        assert await retention(rig, DEBUG, hours=1.5).clean() == 0
        assert rig.store.files.is_open(rig.store.segments[-1])  # nothing in it that a rule lets go


async def test_readers_count_what_rules_removed_before_them_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        start = rig.store.next_offset
        mixed(rig, 3)
        rig.add(1)
        behind, within = rig.store.reader(start), rig.store.reader(start)
        assert len(await within.take(8)) == 8  # the debug lines of the first file among them
        ahead = rig.store.reader(rig.store.next_offset)
        assert await retention(rig, DEBUG, hours=2).clean() == 6
        late = rig.store.reader(start)
        assert [len(await drained(one)) for one in (behind, within, ahead, late)] == [25, 19, 0, 25]
        assert [one.missed for one in (behind, within, ahead, late)] == [6, 4, 0, 6]
    async with opened(tmp_path, memory=1) as rig:
        reader = rig.store.reader(start)
        assert len(await drained(reader)) == 25
        assert reader.missed == 6


async def test_what_went_while_nobody_looked_is_counted_after_a_kill(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        made = rig.fill(3)
        await rig.store.drop(rig.store.segments[0])
        for name in ("account.json", "cursors", "checkpoints"):  # as a kill leaves it
            if (tmp_path / name).is_file():
                (tmp_path / f"{name}.kill").write_bytes((tmp_path / name).read_bytes())
    (tmp_path / "account.json.kill").rename(tmp_path / "account.json")
    for _ in range(2):
        async with opened(tmp_path, memory=1) as rig:
            reader = rig.store.reader(made[3].offset)
            assert await drained(reader) == messages(made[10:])
            assert reader.missed == 7


async def test_what_went_is_counted_though_a_kill_finds_nothing_left_of_the_run(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        made = rig.fill(3)
        for segment in list(rig.store.segments):
            await rig.store.drop(segment)
        (tmp_path / "account.json").rename(tmp_path / "kept")
    (tmp_path / "kept").rename(tmp_path / "account.json")
    async with opened(tmp_path, memory=1) as rig:
        reader = rig.store.reader(made[3].offset)
        assert await drained(reader) == []
        assert reader.missed == 27


async def test_without_its_account_the_store_counts_what_its_files_hold(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        made = rig.fill(3)
    (tmp_path / "account.json").write_text("{")
    async with opened(tmp_path, memory=1) as rig:
        reader = rig.store.reader(made[3].offset)
        assert await drained(reader) == messages(made[3:])
        await rig.store.drop(rig.store.segments[0])
        reader = rig.store.reader(made[3].offset)
        await drained(reader)
        assert reader.missed == 7


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("step", ["rename", "unlink", "write_text"])
async def test_a_crash_while_a_file_is_written_anew_leaves_the_old_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.store.files.compression = "zstd"
        mixed(rig, 1)
        await rig.store.files.settle()
        (segment,) = rig.store.segments
        work: Callable[..., Any] = getattr(Path, step)

        def crash(path: Path, *args: Any, **more: Any) -> None:
            raise Crash

        with monkeypatch.context() as patch:
            patch.setattr(Path, step, crash)
            with pytest.raises(Crash):
                rewrite.without(segment, lambda record: record.level == "debug", rig.store.decode)
        assert work is getattr(Path, step)
    async with opened(tmp_path, memory=1) as rig:
        left = await everything(rig)
        assert left in (numbered(10), numbered(6) + numbered(2, 8))
        assert rig.store.segments[0].facts.count == len(left)
        assert not list((tmp_path / "logs").glob("*.part"))


async def test_a_disk_without_room_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        mixed(rig, 1)
        await rig.store.files.settle()

        def full(descriptor: int) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            await retention(rig, DEBUG, hours=2).clean()
        monkeypatch.undo()
        assert stored(tmp_path) == numbered(10)
        assert await retention(rig, DEBUG, hours=2).clean() == 2


Disk = namedtuple("Disk", "f_blocks f_frsize f_bavail")


async def test_a_short_disk_loses_its_oldest_files_and_never_the_open_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(4)
        rig.add(1)
        rig.store.flush()
        free = 99
        keeper = retention(rig, hours=0, min_free=100)
        monkeypatch.setattr(
            os, "statvfs", lambda _: Disk(1_000_000, 1, free + 40 * (5 - len(rig.store.segments)))
        )
        assert await keeper.make_room() == 10  # 139 are free now
        assert await keeper.make_room() == 0
        free = -1_000
        assert await keeper.make_room() == 30
        assert stored(tmp_path) == numbered(1, 40)


async def test_the_floor_of_a_small_disk_is_a_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(2)
        keeper = retention(rig, hours=0, min_free=50_000_000)
        monkeypatch.setattr(os, "statvfs", lambda _: Disk(8_000_000, 1, 400_000))
        assert await keeper.make_room() == 0
        assert keeper.file_size() == 500_000
        monkeypatch.setattr(os, "statvfs", lambda _: Disk(80_000, 1, 4_000))
        assert keeper.file_size() == LEAST_FILE


async def test_a_clock_that_jumps_removes_nothing_until_it_is_certain(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(2)
        now = NOW
        settings = replace(SETTINGS, max_age=10 * HOUR)
        keeper = Retention(rig.store, settings, clock=lambda: now, monotonic=lambda: 0.0)
        assert await keeper.clean() == 0
        now += 24 * HOUR
        assert await keeper.clean() == 0
        now -= 24 * HOUR
        assert await keeper.clean() == 0
        now += 24 * HOUR
        assert await keeper.clean() == 0
        assert await keeper.clean() == 20  # the clock means it


async def test_cleaning_does_not_disturb_those_who_read_and_write(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=5) as rig:
        start = rig.store.next_offset
        mixed(rig, 5)
        reader = rig.store.reader(start)
        found = await reader.take(13)
        cleaning = asyncio.create_task(retention(rig, DEBUG, hours=2).clean())
        while not cleaning.done():
            found += await reader.take(1)
            rig.add(1, level="warn")
            await asyncio.sleep(0)
        while batch := await reader.take(50):
            found += batch
        offsets = [record.offset for record in found]
        assert offsets == sorted(set(offsets))
        assert len(found) + reader.missed == rig.store.next_offset - start
