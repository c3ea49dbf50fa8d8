import subprocess
from pathlib import Path
from shutil import which

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.store.rig import records
from towline.store import codec

TOOLS = {"zstd": "zstdcat", "gzip": "zcat", "none": "cat"}


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "BLOCK", 2_000)
    monkeypatch.setattr(codec, "_READ", 500)


def written(folder: Path, rows: list[bytes], name: str = "a.ndjson") -> Path:
    path = folder / name
    path.write_bytes(b"".join(row + b"\n" for row in rows))
    return path


def rows(count: int) -> list[bytes]:
    return [record.json for record in records(count)]


@pytest.mark.parametrize("compression", codec.SUFFIXES)
def test_a_closed_file_is_read_by_the_ordinary_tools(tmp_path: Path, compression: str) -> None:
    given = rows(5_000)
    path = codec.close(written(tmp_path, given), compression)
    assert path.name == "a" + codec.SUFFIXES[compression]
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    tool = which(TOOLS[compression])
    if tool is None:
        pytest.skip(f"{TOOLS[compression]} is not installed")
    text = subprocess.run([tool, path], check=True, capture_output=True).stdout
    assert text.splitlines() == given


@pytest.mark.parametrize("compression", codec.SUFFIXES)
def test_jq_reads_what_the_tools_unpack(tmp_path: Path, compression: str) -> None:
    jq, tool = which("jq"), which(TOOLS[compression])
    if jq is None or tool is None:
        pytest.skip("jq is not installed")
    path = codec.close(written(tmp_path, rows(50)), compression)
    with subprocess.Popen([tool, path], stdout=subprocess.PIPE) as unpack:
        found = subprocess.run(
            [jq, "-r", ".message"], stdin=unpack.stdout, check=True, capture_output=True
        )
    assert found.stdout.decode().splitlines() == [f"line {number}" for number in range(50)]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("compression", codec.SUFFIXES)
@given(
    given=st.lists(st.binary(max_size=900).map(lambda row: row.replace(b"\n", b"")), max_size=30)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_rows_come_back_as_they_were(tmp_path: Path, compression: str, given: list[bytes]) -> None:
    path = codec.close(written(tmp_path, given), compression)
    assert list(codec.lines(path)) == given


def test_a_last_row_without_its_newline_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"one\ntwo\nthr")
    assert list(codec.lines(path)) == [b"one", b"two"]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_a_file_that_ends_too_early_gives_what_is_whole(tmp_path: Path, compression: str) -> None:
    given = rows(100)
    path = codec.close(written(tmp_path, given), compression)
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        found = list(codec.lines(path))
        assert found == given[: len(found)]
    assert len(found) > 80


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_damage_costs_a_block_and_its_neighbour_at_most(tmp_path: Path, compression: str) -> None:
    given = rows(200)
    path = codec.close(written(tmp_path, given), compression)
    whole = path.read_bytes()
    at_most = 2 * (2_000 // len(given[0]) + 2)
    for at in range(0, len(whole), 101):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        found = list(codec.lines(path))
        missing = set(given) - set(found)
        assert len(missing) <= at_most
        assert [row for row in found if row in set(given)] == [
            row for row in given if row not in missing
        ]


def first_rows_of_blocks(given: list[bytes]) -> set[int]:
    first, size = {0, len(given)}, 0
    for number, row in enumerate(given):
        size += len(row) + 1
        if size >= 2_000:
            first.add(number + 1)
            size = 0
    return first


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_what_comes_after_damage_begins_with_a_whole_block(
    tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codec, "BLOCK", 2_000)
    monkeypatch.setattr(codec, "_READ", 64)
    given = rows(60)
    path = codec.close(written(tmp_path, given), compression)
    whole = path.read_bytes()
    first = first_rows_of_blocks(given)
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        found = set(codec.lines(path))
        missing = [number for number, row in enumerate(given) if row not in found]
        assert not missing or missing[-1] + 1 in first


def test_a_failure_leaves_the_plain_file_and_nothing_else(tmp_path: Path) -> None:
    path = written(tmp_path, rows(10))
    (tmp_path / "a.ndjson.zst").mkdir()  # a rename onto it fails
    with pytest.raises(OSError, match=r"."):
        codec.close(path, "zstd")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.ndjson", "a.ndjson.zst"]
    assert list(codec.lines(path)) == rows(10)
