import asyncio
import logging
from pathlib import Path

import pytest

from tests.unit.store.rig import (
    names,
    numbered,
    opened,
    records,
    stored,
)
from towline.pipeline.encode import Decoder
from towline.store import codec
from towline.store.files import Files
from towline.store.segment import Facts, Segment


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


def test_a_file_that_is_compressed_between_looking_and_opening_is_found(tmp_path: Path) -> None:
    (plain := tmp_path / "2026-0000000000000000.ndjson").write_bytes(b"one\n")

    class Racing(Segment):
        def current(self) -> Path:
            found = super().current()
            if found == plain and plain.exists():
                codec.close(plain, "gzip")
            return found

    assert list(Racing(plain, 0).lines()) == [b"one"]


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


def test_a_record_is_on_disk_as_it_was_given(tmp_path: Path) -> None:
    written: list[tuple[str, int]] = []
    files = Files(tmp_path, Decoder(), lambda *what: written.append(what))
    given = records(3)
    files.append(given)
    files.release()
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"".join(record.json + b"\n" for record in given)
    assert written == [("records", path.stat().st_size)]
    assert path.stat().st_size == files.size
