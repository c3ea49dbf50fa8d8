from dataclasses import replace
from pathlib import Path

from tests.unit.store.rig import WEB, opened
from towline.pipeline.encode import Decoder
from towline.record import OriginType
from towline.store.files import Files
from towline.store.tails import Tail, tails

DB = replace(WEB, name="db", container_id="d" * 12)


async def test_the_highest_row_of_each_container_and_stream_is_known(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.add(3, seq=7)
        rig.add(1, seq=9, stderr=True)
        rig.add(1, seq=8)
        (db,) = rig.add(1, origin=DB, seq=4)
        rig.add(1, origin=replace(WEB, container_id=None), seq=99)
        rig.store.flush()
        found = tails(rig.store.files, 0)
    assert found.keys() == {WEB.container_id, DB.container_id}
    assert found["c" * 12].seq == 9
    assert found["c" * 12].streams == (8, 9)
    assert found["d" * 12].streams == (4, 0)
    assert found["d" * 12].time.encode() in db.json


async def test_what_towline_said_itself_is_no_line_of_a_stream(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.add(1, seq=3)
        rig.add(1, seq=5, system=True)
        rig.add(1, seq=0, system=True)
        rig.store.flush()
        tail = tails(rig.store.files, 0)["c" * 12]
    assert (tail.seq, tail.streams) == (5, (3, 0))


async def test_dockers_word_of_a_container_is_no_row_of_its_log(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.add(1, origin=replace(WEB, type=OriginType.SYSTEM), seq=0, system=True)
        rig.store.flush()
        assert tails(rig.store.files, 0) == {}


async def test_only_what_is_not_covered_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        made = rig.fill(2)
        (new,) = rig.add(1, origin=DB, seq=1)
        rig.store.flush()
        assert tails(rig.store.files, rig.store.next_offset) == {}
        assert tails(rig.store.files, new.offset).keys() == {"d" * 12}
        assert tails(rig.store.files, made[-1].offset)["c" * 12].seq == 20
        rig.store.segments[0].path.unlink()  # would be missed if it were read
        assert tails(rig.store.files, made[10].offset)["c" * 12].seq == 20


async def test_damaged_rows_tell_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        made = rig.fill(1)
        (segment,) = rig.store.segments
        text = segment.path.read_bytes()
        segment.path.write_bytes(text.replace(made[-1].json, b"{" * len(made[-1].json)))
        assert tails(rig.store.files, 0)["c" * 12].seq == 9


def test_an_empty_store_has_no_tails(tmp_path: Path) -> None:
    assert tails(Files(tmp_path, Decoder()), 0) == {}
    assert Tail(3).streams == (0, 0)


def test_reading_goes_on_behind_the_furthest_row_of_all() -> None:
    tail = Tail(0).then(seq=9, time="t9", stderr=True, system=False)
    held = tail.then(seq=4, time="t4", stderr=False, system=False)  # its stream was held back
    assert held == Tail(9, (4, 9), "t9", stderr=True, times=("t4", "t9"))
    folded = held.then(seq=3, time="t3", stderr=False, system=False)
    assert folded == held


async def test_a_joined_record_ends_with_its_last_line(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.add(1, seq=3, extra=',"until":"2026-11-21T10:00:09.000000000Z"')
        rig.store.flush()
        assert tails(rig.store.files, 0)["c" * 12].time == "2026-11-21T10:00:09.000000000Z"
