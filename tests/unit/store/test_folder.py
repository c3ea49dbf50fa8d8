from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.store.rig import MS, WEB, records
from towline.errors import StoreError
from towline.record import Record
from towline.store import codec
from towline.store.folder import Folder
from towline.store.segment import Facts


def file(data: Path, made: list[Record], *, tail: bytes = b"") -> Path:
    """A plain file of records, as a store names it."""
    (data / "logs").mkdir(parents=True, exist_ok=True)
    path = data / "logs" / f"2026-11-21T10-00-00.000Z-{made[0].offset:016x}.ndjson"
    path.write_bytes(b"".join(each.json + b"\n" for each in made) + tail)
    return path


def pages(data: Path, since: int = 0, limit: int = 1000, size: int = 1000) -> list[list[bytes]]:
    return list(Folder(data).pages(since, limit, size))


def rows(data: Path, since: int = 0, limit: int = 1000) -> list[bytes]:
    return [row for page in pages(data, since, limit) for row in page]


def json(made: list[Record]) -> list[bytes]:
    return [each.json for each in made]


def test_records_of_all_files_come_oldest_first(tmp_path: Path) -> None:
    made = records(30)
    for start in (20, 0, 10):
        file(tmp_path, made[start : start + 10])
    assert rows(tmp_path) == json(made)
    assert [len(page) for page in pages(tmp_path, size=8)] == [8, 8, 8, 6]


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_closed_files_are_read_like_open_ones(tmp_path: Path, compression: str) -> None:
    made = records(20)
    codec.close(file(tmp_path, made[:10]), compression)
    file(tmp_path, made[10:])
    assert rows(tmp_path, limit=15) == json(made[5:])


def test_only_the_newest_come_where_there_are_more(tmp_path: Path) -> None:
    made = records(30)
    for start in (0, 10, 20):
        file(tmp_path, made[start : start + 10])
    assert rows(tmp_path, limit=10) == json(made[20:])
    assert rows(tmp_path, limit=13) == json(made[17:])
    assert rows(tmp_path, since=MS + 5000, limit=100) == json(made[5:])
    assert rows(tmp_path, since=MS + 5000, limit=24) == json(made[6:])


def test_facts_beside_a_file_spare_its_reading(tmp_path: Path) -> None:
    made = records(20)
    old = file(tmp_path, made[:10])
    facts = Facts()
    facts.add(made[:10])
    old.with_name(old.name.replace(".ndjson", ".index")).write_text(facts.as_text())
    old.write_bytes(b"damaged\n")
    file(tmp_path, made[10:])
    assert rows(tmp_path, since=MS + 10_000) == json(made[10:])


def test_damage_and_a_torn_end_are_passed_over(tmp_path: Path) -> None:
    made = records(3)
    file(tmp_path, made, tail=b'{"id":"00')
    assert rows(tmp_path) == json(made)


def test_nothing_in_the_folder_is_changed(tmp_path: Path) -> None:
    file(tmp_path, records(3), tail=b'{"id":"00')
    (tmp_path / "logs" / "x.part").write_text("half")
    (tmp_path / "logs" / "notes.ndjson").write_text("none of ours")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    Folder(tmp_path).labels()
    rows(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_labels_are_read(tmp_path: Path) -> None:
    file(tmp_path, records(1, origin=WEB))
    assert Folder(tmp_path).labels() == {}
    kept = '{"id":"c1","labels":{"tier":"front","a":"b"}}\n{\n[]\n{"id":"c2"}\n'
    (tmp_path / "labels.ndjson").write_text(kept)
    assert Folder(tmp_path).labels() == {"c1": (("a", "b"), ("tier", "front"))}


def test_another_folder_is_none_of_ours(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no data folder: No such file"):
        Folder(tmp_path)
