from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sources.docker.json_files import BEGIN, Reader, Writer
from towline.sources.docker import jsonlog
from towline.sources.docker.catchup import DAMAGED, GONE
from towline.sources.docker.frames import PART
from towline.sources.docker.jsonlog import CUT, FilesAway
from towline.sources.docker.position import Position


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a log of some hundred rows is more than what is looked at first."""
    monkeypatch.setattr(jsonlog, "WINDOWS", (1000, 20_000))
    monkeypatch.setattr(jsonlog, "CHUNK", 700)
    monkeypatch.setattr(jsonlog, "NEAR", 700)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path / "c-json.log")
    yield made
    made.log.leave()


def again(reader: Reader, path: Path) -> Reader:
    """The next reader of the same position, as after a reload."""
    reader.log.leave()
    checkpoint = reader.position.checkpoint()
    return Reader(path, Position("E", "c", terminal=False, checkpoint=checkpoint))


def numbered(texts: list[str]) -> list[int]:
    return [int(text.removeprefix("line ")) for text in texts]


async def test_a_log_that_grows_is_read_as_it_grows(tmp_path: Path, reader: Reader) -> None:
    writer = Writer(tmp_path)
    writer.write(5)
    assert await reader.begin() == writer.written
    for count in (1, 100, 3):
        writer.write(count, stream="stderr")
        assert await reader.read() == writer.written
    assert [line.seq for line in reader.lines] == list(range(1, 110))
    assert [line.stderr for line in reader.lines].count(True) == 104
    assert {len(line.time) for line in reader.lines} == {30}
    assert reader.lines[0].timestamp == BEGIN // 1_000_000 + 1


async def test_rotated_files_are_read_in_order_and_whole(tmp_path: Path, reader: Reader) -> None:
    writer = Writer(tmp_path)
    writer.write(10)
    await reader.begin()
    for _ in range(6):
        writer.write(7)
        writer.rotate()
        writer.write(3)
        writer.rotate()
        await reader.read()
    assert reader.texts() == writer.written
    assert reader.gaps() == []


async def test_a_file_that_is_open_is_read_to_its_end_though_it_is_removed(
    tmp_path: Path, reader: Reader
) -> None:
    writer = Writer(tmp_path, keep=2)
    writer.write(10)
    await reader.begin()
    writer.write(40)
    writer.rotate()
    reader.log._hold_newer()
    for _ in range(3):
        writer.write(40)
        writer.rotate()
        reader.log._hold_newer()
    assert await reader.read() == writer.written
    assert reader.gaps() == []


async def test_packed_files_are_read_where_they_are_not_read_yet(
    tmp_path: Path, reader: Reader
) -> None:
    writer = Writer(tmp_path, keep=5, pack=True)
    for _ in range(4):
        writer.write(150)
        writer.rotate()
    writer.write(20)
    assert await reader.begin() == writer.written
    for _ in range(2):
        writer.write(30)
        writer.rotate()
        writer.write(5)
        assert await reader.read() == writer.written
    assert reader.gaps() == []


async def test_a_packed_file_that_is_torn_is_no_end_of_the_log(
    tmp_path: Path, reader: Reader
) -> None:
    writer = Writer(tmp_path, keep=5, pack=True)
    writer.write(50)
    writer.rotate()
    writer.write(5)
    packed = tmp_path / "c-json.log.1.gz"
    packed.write_bytes(packed.read_bytes()[:-30])
    texts = await reader.begin()
    assert texts[-5:] == writer.written[-5:]
    assert len(reader.gaps()) == 1
    assert DAMAGED in reader.gaps()[0]


@pytest.mark.parametrize("more", [0, 3, 2000])
@pytest.mark.parametrize("pack", [False, True])
async def test_the_next_reader_goes_on_behind_the_last_row(
    tmp_path: Path, reader: Reader, more: int, pack: bool
) -> None:
    writer = Writer(tmp_path, keep=6, pack=pack)
    writer.write(700)
    await reader.begin()
    for _ in range(3):
        writer.write(more)
        writer.rotate()
    writer.write(2)
    second = again(reader, writer.path)
    assert await second.begin() == writer.written[700:]
    assert second.gaps() == []
    assert second.lines[-1].seq == len(writer.written)
    second.log.leave()


async def test_the_same_reader_goes_on_at_its_place(tmp_path: Path, reader: Reader) -> None:
    writer = Writer(tmp_path)
    writer.write(20, text="same")
    await reader.begin()
    reader.log.leave()
    writer.write(2, text="same")
    assert len(await reader.begin()) == 22
    assert reader.gaps() == []


async def test_equal_lines_are_counted_not_compared(tmp_path: Path, reader: Reader) -> None:
    writer = Writer(tmp_path)
    for number in range(900):
        writer.row("same\n", BEGIN + number // 40)
    await reader.begin()
    for number in range(900, 1200):
        writer.row("same\n", BEGIN + number // 40)
    second = again(reader, writer.path)
    assert len(await second.begin()) == 300
    second.log.leave()


async def test_what_rotated_away_while_nobody_read_is_said_once(
    tmp_path: Path, reader: Reader
) -> None:
    writer = Writer(tmp_path, keep=2)
    writer.write(600)
    await reader.begin()
    for _ in range(3):
        writer.write(50)
        writer.rotate()
    writer.write(1)
    second = again(reader, writer.path)
    assert numbered(await second.begin()) == list(range(701, 752))
    (gap,) = second.gaps()
    assert GONE in gap
    second.log.leave()


async def test_a_log_cut_from_outside_is_said_and_read_on(tmp_path: Path, reader: Reader) -> None:
    writer = Writer(tmp_path)
    writer.write(5)
    await reader.begin()
    writer.cut()
    writer.write(2)
    assert await reader.read() == writer.written
    (gap,) = reader.gaps()
    assert CUT in gap
    writer.cut()
    writer.write(20)  # longer than it was: its size tells nothing
    assert await reader.read() == writer.written
    assert len(reader.gaps()) == 2


async def test_where_docker_keeps_one_file_a_cut_at_its_limit_loses_nothing(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.write(20)
    reader = Reader(writer.path, capacity=os.path.getsize(writer.path))
    await reader.begin()
    writer.cut()
    writer.write(3)
    assert await reader.read() == writer.written
    assert reader.gaps() == []
    reader.log.leave()


async def test_a_log_that_was_unlinked_is_read_to_its_end_and_its_successor_too(
    tmp_path: Path, reader: Reader
) -> None:
    writer = Writer(tmp_path)
    writer.write(5)
    await reader.begin()
    writer.write(4)
    writer.unlink()
    writer.write(3)
    assert await reader.read() == writer.written
    assert reader.gaps() == []


async def test_damage_is_counted_where_it_is_and_hides_nothing(
    tmp_path: Path, reader: Reader
) -> None:
    writer = Writer(tmp_path)
    writer.write(2)
    writer.raw(bytes(300))
    writer.write(1)
    writer.raw(b'{"log":"torn')
    writer.write(1)
    writer.raw(b'{"log":1}\n[]\n')
    writer.write(1)
    assert await reader.begin() == writer.written
    places = [line.text if not line.system else "gap" for line in reader.lines]
    assert places == ["line 1", "line 2", "gap", "line 3", "gap", "line 4", "gap", "line 5"]
    assert ['"lost": 1' in line.extra for line in reader.lines if line.system] == [
        True,
        True,
        False,
    ]


async def test_parts_of_a_long_line_are_joined(tmp_path: Path, reader: Reader) -> None:
    writer = Writer(tmp_path)
    for text in ("x" * PART, "x" * PART, "end\n"):
        writer.row(text, BEGIN)
    writer.row("next\n", BEGIN + 1)
    assert await reader.begin() == ["x" * 2 * PART + "end", "next"]
    assert [line.seq for line in reader.lines] == [3, 4]
    second = again(reader, writer.path)
    assert await second.begin() == []
    second.log.leave()


async def test_a_row_without_its_end_waits_for_it(tmp_path: Path, reader: Reader) -> None:
    writer = Writer(tmp_path)
    writer.write(1)
    await reader.begin()
    row = b'{"log":"line 2\\n","stream":"stdout","time":"2026-11-21T10:00:00.5Z"}\n'
    writer.raw(row[:20])
    assert await reader.read() == ["line 1"]
    reader.log.leave()
    assert await reader.begin() == ["line 1"]
    writer.raw(row[20:])
    assert await reader.read() == ["line 1", "line 2"]
    assert reader.lines[-1].time == "2026-11-21T10:00:00.500000000Z"


async def test_what_retention_would_drop_at_once_is_not_read(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.write(50)
    since = (BEGIN + 40 * 1_000_100) / 1e9
    whole, fraction = divmod(BEGIN + 40 * 1_000_100, 1_000_000_000)
    assert int(since) == whole
    position = Position("E", "c", terminal=False, first_since=f"{whole}.{fraction:09d}")
    reader = Reader(writer.path, position)
    assert await reader.begin() == writer.written[39:]
    reader.log.leave()


async def test_files_that_are_not_there_are_left_to_the_api(tmp_path: Path) -> None:
    with pytest.raises(FilesAway, match=r"c-json\.log: No such file"):
        await Reader(tmp_path / "c-json.log").log.join()


STEPS = st.lists(
    st.sampled_from(["write", "write", "read", "rotate", "new reader", "leave"]), max_size=40
)


@given(steps=STEPS, pack=st.booleans())
async def test_whatever_happens_rows_come_once_and_what_is_missing_is_said(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], pack: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    writer = Writer(folder, keep=3, pack=pack)
    reader = Reader(writer.path)
    texts: list[str] = []
    gaps = 0
    await reader.begin()
    for step in [*steps, "read"]:
        if step == "write":
            writer.write(9)
        elif step == "rotate":
            writer.rotate()
        elif step == "read":
            await reader.read()
        elif step == "leave":
            reader.log.leave()
            await reader.begin()
        elif reader.position.trail:
            texts += reader.texts()
            gaps += len(reader.gaps())
            reader = again(reader, writer.path)
            await reader.begin()
    reader.log.leave()
    found = numbered(texts + reader.texts())
    assert found == sorted(set(found))
    holes = sum(1 for one, two in pairwise([0, *found]) if two != one + 1)
    assert gaps + len(reader.gaps()) >= holes - (found[:1] != [1])
