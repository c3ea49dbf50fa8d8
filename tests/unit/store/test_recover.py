import os
from pathlib import Path

import pytest

from tests.unit.store.rig import everything, messages, names, numbered, opened, stored
from towline.pipeline.encode import Decoder
from towline.store import codec
from towline.store.files import Files
from towline.store.query import Query
from towline.store.recover import recover


def cut(path: Path, size: int, garbage: bytes) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        file.seek(0, os.SEEK_END)
        file.write(garbage)


async def test_a_file_that_goes_on_has_no_stale_index(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.fill(1)  # without compression it stays plain, with an index
    async with opened(tmp_path) as rig:
        rig.numbers = iter(range(10, 11))
        made = rig.add(5)
    async with opened(tmp_path) as rig:
        assert await everything(rig) == numbered(15)
        assert await rig.store.count(Query(after=made[0].offset)) == 4


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
        assert reader.missed == 1
        assert await rig.store.count(Query()) == 19
        assert await rig.store.count(Query(after=made[12].offset)) == 7
        page = await rig.store.query(Query(limit=100))
        assert messages(page.records) == left[::-1]
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
    files = Files(tmp_path / "logs", Decoder())
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
    text = one.read_text()
    one.unlink()
    other.write_text(damage)
    async with opened(tmp_path) as rig:
        assert [segment.facts for segment in rig.store.segments] == facts
        assert one.read_text() == text
        assert await everything(rig) == numbered(20)


async def test_an_index_that_cannot_be_written_is_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files.compression = "zstd"
        rig.fill(1)
        await rig.store.files.settle()
    for path in (tmp_path / "logs").glob("*.index"):
        path.unlink()
        path.mkdir()  # even root cannot write there
    async with opened(tmp_path) as rig:
        (segment,) = rig.store.segments
        assert segment.snapshot() is not None
        assert await everything(rig) == numbered(10)
    path.rmdir()


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


async def test_an_index_of_another_file_is_not_believed(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files.compression = "zstd"
        rig.add(30)
        rig.store.flush()
        rig.store.files.roll()
        rig.fill(1)
        await rig.store.files.settle()
        facts = [segment.facts for segment in rig.store.segments]
    one, other = sorted((tmp_path / "logs").glob("*.index"))
    one.write_text(other.read_text())
    async with opened(tmp_path) as rig:
        assert [segment.facts for segment in rig.store.segments] == facts
        assert await rig.store.count(Query()) == 40


async def test_a_file_written_anew_under_a_query_keeps_its_own_index(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.store.files.compression = "zstd"
        rig.fill(1)
        await rig.store.files.settle()
        (segment,) = rig.store.segments
        with segment.opened() as old:
            await rig.store.thin(segment, lambda record: record.message != "line 3")
            blocks = segment.blocks(old, rig.store.decode)
        assert blocks is not None
        assert sum(block.count for block in blocks) == 10  # those of the file it has open
        assert segment.facts.count == 1
        rig.add(1)  # memory holds one record, which is this
        assert await everything(rig) == ["line 3", "line 10"]
