from __future__ import annotations

from pathlib import Path

import pytest

from towline.config.files import Content, Files, is_being_written

ROWS = [f"key_{number}: a value\n".encode() for number in range(10)]
WHOLE = b"".join(ROWS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        *(b"".join(ROWS[:count]) for count in range(10)),
        b"edited: 1\n" + b"".join(ROWS[1:4]),
        WHOLE[:-1],
    ],
)
def test_what_ends_early_looks_unfinished(data: bytes) -> None:
    assert Content(WHOLE).may_become(data)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE,
        WHOLE + ROWS[0],
        b"".join(ROWS[1:]),
        b"".join(ROWS[:4] + ROWS[5:]),
        b"".join(ROWS[:9]) + b"key_9: new\n",
    ],
)
def test_an_edit_does_not_look_unfinished(data: bytes) -> None:
    assert not Content(WHOLE).may_become(data)


def test_whoever_writes_a_file_is_noticed_and_not_disturbed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(WHOLE)
    if is_being_written(file) is None:
        pytest.skip("a file system without leases")
    with file.open("ab") as writer:
        assert is_being_written(file) is True
        writer.write(b"more")
    assert is_being_written(file) is False
    assert file.read_bytes() == WHOLE + b"more"


def test_of_what_is_no_file_nobody_can_tell_who_writes_it(tmp_path: Path) -> None:
    assert is_being_written(tmp_path / "none") is None
    assert is_being_written(tmp_path) is None


def test_contents_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("password: hunter2\n")
    files = Files()
    files.read(tmp_path / "secrets.yaml")
    assert "hunter2" not in repr(files.seen)
