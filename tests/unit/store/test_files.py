import asyncio
import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.rig import Rig, messages, opened, records, until
from towline.pipeline.encode import Decoder
from towline.status import State
from towline.store import codec
from towline.store.files import Files
from towline.store.query import Query
from towline.store.recover import recover
from towline.store.segment import Facts, Segment


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "logs").iterdir())


def stored(folder: Path) -> list[str]:
    """What an ordinary reader of the folder sees, file by file."""
    decode = Decoder()
    paths = sorted(path for path in (folder / "logs").iterdir() if ".ndjson" in path.name)
    return [decode(row).message for path in paths for row in codec.lines(path)]


async def everything(rig: Rig) -> list[str]:
    page = await rig.store.query(Query(newest_first=False, limit=1_000_000))
    return messages(page.records)


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"line {number}" for number in range(start, start + count)]


async def test_a_full_file_is_closed_and_the_next_begun(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files.max_file_size = 3_000
        for _ in range(10):
            rig.add(5)
            rig.store.flush()
            await rig.store.files.settle()
        assert len(rig.store.segments) == 4
        assert [segment.facts.count for segment in rig.store.segments] == [15, 15, 15, 5]
    assert stored(tmp_path) == numbered(50)


async def test_nothing_is_lost_while_a_file_is_being_closed(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files.max_file_size = 3_000
        rig.store.files.compression = "zstd"
        for _ in range(200):
            rig.add(5)
            await asyncio.sleep(0)
    assert stored(tmp_path) == numbered(1000)


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
async def test_a_closed_file_is_compressed_named_by_its_time_and_indexed(
    tmp_path: Path, compression: str
) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files.compression = compression
        rig.fill(1)
        await rig.store.files.settle()
        (segment,) = rig.store.segments
        assert segment.size == segment.path.stat().st_size
        index, path = sorted(segment.path.parent.iterdir())
    assert path.name.endswith(f"Z-{segment.first:016x}{codec.SUFFIXES[compression]}")
    assert path.name[:2] == "20"
    assert Facts.parse(index.read_text()) == segment.facts
    assert segment.facts.levels == {"info"}
    assert segment.facts.names == {"web"}
    assert stored(tmp_path) == numbered(10)


async def test_the_last_file_of_an_earlier_run_is_gone_on_with(tmp_path: Path) -> None:
    for start in (0, 5, 10):
        async with opened(tmp_path) as rig:
            rig.numbers = iter(range(start, start + 1))
            rig.add(5)
    assert len(names(tmp_path)) == 1
    assert stored(tmp_path) == numbered(15)


async def test_a_file_that_goes_on_has_no_stale_index(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(1)  # without compression it stays plain, with an index
    async with opened(tmp_path) as rig:
        rig.numbers = iter(range(10, 11))
        rig.add(5)
    async with opened(tmp_path) as rig:
        assert await everything(rig) == numbered(15)


def cut(path: Path, size: int, garbage: bytes) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        file.seek(0, os.SEEK_END)
        file.write(garbage)


@pytest.mark.parametrize("garbage", [b"", b"\0" * 700, b'{"id":"', b"\xff\xfe\n\n{}\n", b"\n"])
@pytest.mark.parametrize("off", [0, 1, 2, 50, 300])
async def test_a_torn_end_is_cut_to_whole_rows(tmp_path: Path, garbage: bytes, off: int) -> None:
    async with opened(tmp_path) as rig:
        made = rig.add(10)
    (path,) = (tmp_path / "logs").iterdir()
    cut(path, path.stat().st_size - off, garbage)
    async with opened(tmp_path) as rig:
        found = await everything(rig)
        assert found == numbered(len(found))
        assert len(found) >= 10 - 1 - off // len(made[0].json)
        rig.numbers = iter(range(len(found), len(found) + 1))
        (new,) = rig.add()
        assert new.offset > made[-1].offset
        whole = await everything(rig)
    assert stored(tmp_path) == whole == numbered(len(found) + 1)


async def test_the_open_file_is_cut_at_damage_in_its_middle(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        made = rig.add(10)
    (path,) = (tmp_path / "logs").iterdir()
    text = bytearray(path.read_bytes())
    text[text.index(made[4].json) + 30] = 0
    path.write_bytes(text)
    async with opened(tmp_path) as rig:
        assert await everything(rig) == numbered(4)


async def test_damage_in_a_closed_file_costs_its_row_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as rig:
        made = rig.fill(2)
    path = min(path for path in (tmp_path / "logs").iterdir() if path.suffix == ".ndjson")
    text = bytearray(path.read_bytes())
    text[text.index(made[4].json) + 9] = ord("?")  # in the id
    path.write_bytes(text)
    left = [message for message in numbered(20) if message != "line 4"]
    async with opened(tmp_path, memory=1) as rig:
        assert await everything(rig) == left
        reader = rig.store.reader(0)
        assert messages(await reader.take(100)) == left
        assert await rig.store.count(Query()) == 19
        assert await rig.store.count(Query(after=made[12].offset)) == 7
        page = await rig.store.query(Query(limit=100))
        assert messages(page.records) == left[::-1]
        assert rig.store.segments[0].count_from(made[2].offset) == 7
    assert [record.message for record in caplog.records].count("damaged rows in the store") == 1


async def test_a_crash_between_compressing_and_removing_leaves_each_record_once(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(2)
    first = min(path for path in (tmp_path / "logs").iterdir() if path.suffix == ".ndjson")
    plain = first.read_bytes()
    codec.close(first, "zstd")
    first.write_bytes(plain)
    (tmp_path / "logs" / (first.name + ".zst.part")).write_bytes(b"half")
    async with opened(tmp_path) as rig:
        assert await everything(rig) == numbered(20)
    assert not first.exists()
    assert not [name for name in names(tmp_path) if name.endswith(".part")]


async def test_files_that_were_being_closed_are_closed_at_the_next_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(3)
    for path in (tmp_path / "logs").glob("*.index"):
        path.unlink()
    files = Files(tmp_path / "logs")
    recover(files, Decoder())
    files.resume()
    await files.settle()
    files.release()
    kinds = [path.suffix for path in sorted((tmp_path / "logs").iterdir())]
    assert sorted(kinds) == [".index", ".index", ".ndjson", ".zst", ".zst"]
    assert stored(tmp_path) == numbered(30)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"count":1}', '{"count":"x"}', "null"])
async def test_a_missing_or_damaged_index_is_made_again(tmp_path: Path, damage: str) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files.compression = "zstd"
        rig.fill(2)
        await rig.store.files.settle()
        facts = [segment.facts for segment in rig.store.segments]
    one, other = sorted((tmp_path / "logs").glob("*.index"))
    one.unlink()
    other.write_text(damage)
    async with opened(tmp_path) as rig:
        assert [segment.facts for segment in rig.store.segments] == facts
        assert await everything(rig) == numbered(20)


async def test_an_index_without_its_file_is_removed(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(1)
    (tmp_path / "logs" / "2020-gone.index").write_text("{}")
    async with opened(tmp_path):
        pass
    assert "2020-gone.index" not in names(tmp_path)


async def test_a_file_that_is_none_of_ours_stays_and_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("notes.txt", "old.ndjson", "empty-0000000000000000.ndjson.zst"):
        (tmp_path / "logs" / name).write_bytes(b"\0\0")
    async with opened(tmp_path) as rig:
        rig.add(1)
    assert {"notes.txt", "old.ndjson", "empty-0000000000000000.ndjson.zst"} < set(names(tmp_path))


async def test_files_are_in_order_of_offsets_even_where_the_clock_was_set_back(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as rig:
        made = rig.fill(2)
    older, newer = sorted((tmp_path / "logs").glob("*.ndjson"))
    newer.rename(newer.with_name("1970-01-01T00-00-00.000Z" + newer.name[24:]))
    async with opened(tmp_path, clock=lambda: 0.0) as rig:
        assert await everything(rig) == numbered(20)
        assert rig.store.next_offset > made[-1].offset
    assert older.exists()


async def test_a_file_that_is_compressed_under_a_reader_is_read_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(1, 5_000)
        (segment,) = rig.store.segments
        await rig.store.files.settle()
        rows = segment.lines()
        first = [next(rows) for _ in range(10)]
        codec.close(segment.path, "zstd")
        assert len(first + list(rows)) == 5_000
        assert len(list(segment.lines())) == 5_000  # it is found where it is now


async def test_a_file_that_vanished_holds_nothing(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "2026-0000000000000000.ndjson", 0)
    assert list(segment.lines()) == []


async def test_what_cannot_be_compressed_stays_plain_and_readable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files.compression = "zstd"
        rig.add(10)
        rig.store.flush()
        (segment,) = rig.store.segments
        segment.path.with_name(segment.stem + ".ndjson.zst").mkdir()
        with caplog.at_level(logging.WARNING):
            rig.store.files.roll()
            await rig.store.files.settle()
        assert "a full file stays uncompressed" in caplog.messages
        assert len(list(segment.lines())) == 10
        segment.path.with_name(segment.stem + ".ndjson.zst").rmdir()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_a_full_disk_degrades_and_everything_in_memory_is_written_later(
    small_disk: Path,
) -> None:
    now = 0.0
    async with opened(small_disk, memory=500, monotonic=lambda: now) as rig:
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * 40_000)
        rig.add_each(100)
        await until(lambda: rig.store.health.state is State.DEGRADED)
        assert "No space left" in rig.store.health.reason
        rig.add(100)
        assert len(rig.store.ring) == 200
        on_disk = stored(small_disk)
        assert on_disk == numbered(len(on_disk))  # no half row
        assert len(on_disk) < 200
        assert await everything(rig) == numbered(200)
        filler.unlink()
        now = 10.0
        rig.add(1)
        await until(lambda: rig.store.health.state is State.UP)
        assert stored(small_disk) == numbered(201)
        assert rig.store.health.counters["unwritten"] == 0


async def test_what_a_full_disk_could_not_take_in_time_is_counted_exactly(
    small_disk: Path,
) -> None:
    now = 0.0
    async with opened(small_disk, memory=50, monotonic=lambda: now) as rig:
        reader = rig.store.reader(0)
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * 40_000)
        rig.add_each(200)
        rig.store.flush()
        filler.unlink()
        now = 10.0
        rig.add_each(20)
        rig.store.flush()
        lost = rig.store.health.counters["unwritten"]
        on_disk = stored(small_disk)
        assert len(on_disk) + lost == 220
        assert on_disk[-50:] == numbered(50, 170)
        found: list[str] = []
        while batch := await reader.take(7):
            found += messages(batch)
        assert found == on_disk
        assert reader.missed == lost > 0
        later = rig.store.reader(0)
        while batch := await later.take(1000):
            pass
        assert later.missed == lost


async def test_a_disk_that_refuses_is_not_asked_at_every_turn(small_disk: Path) -> None:
    now = 0.0
    async with opened(small_disk, monotonic=lambda: now) as rig:
        (small_disk / "filler").write_bytes(b"x" * 60_000)
        asked = 0
        append = rig.store.files.append

        def counted(*args: object) -> None:
            nonlocal asked
            asked += 1
            append(*args)  # type: ignore[arg-type]

        rig.store.files.append = counted  # type: ignore[method-assign, assignment]
        for _ in range(50):
            rig.add(20)
            await asyncio.sleep(0)
        assert asked <= 3
        (small_disk / "filler").unlink()


def test_a_record_is_on_disk_as_it_was_given(tmp_path: Path) -> None:
    files = Files(tmp_path)
    given = records(3)
    files.append(given)
    files.release()
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"".join(record.json + b"\n" for record in given)
    assert files.written == path.stat().st_size == files.size
