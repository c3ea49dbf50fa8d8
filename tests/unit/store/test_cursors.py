from pathlib import Path

import pytest

from towline.store.cursors import Cursors

HOSTILE = ["../../etc/passwd", "/", ".", "..", "", "a/b", "a b\n", "ä", "\0", "x" * 5000, "%2F"]


def test_a_cursor_is_what_was_last_set(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    assert cursors.get("mqtt") is None
    for offset in (5, 1 << 62, 0, 17):
        cursors.set("mqtt", offset)
        assert cursors.get("mqtt") == offset
        assert Cursors(tmp_path).get("mqtt") == offset  # as after a kill: nothing was closed
    cursors.close()
    assert Cursors(tmp_path).get("mqtt") == 17


def test_a_closed_cursor_can_be_set_again(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    cursors.set("mqtt", 1)
    cursors.close()
    cursors.set("mqtt", 2)
    assert Cursors(tmp_path).get("mqtt") == 2
    cursors.close()


def test_hostile_names_are_kept_apart_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "inner" / "cursors"
    names = [*HOSTILE, "x" * 5000 + "y", "ä" * 100, "ä" * 101]
    cursors = Cursors(folder)
    for number, name in enumerate(names):
        cursors.set(name, number)
    cursors.close()
    again = Cursors(folder)
    assert [again.get(name) for name in names] == list(range(len(names)))
    assert len(list(folder.iterdir())) == len(names)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [
        path.name for path in folder.iterdir()
    ]
    for name in names:
        again.forget(name)
    assert list(folder.iterdir()) == []


def test_a_forgotten_cursor_is_gone(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    cursors.set("mqtt", 1)
    cursors.forget("mqtt")
    cursors.forget("never set")
    assert cursors.get("mqtt") is None
    assert Cursors(tmp_path).get("mqtt") is None
    cursors.set("mqtt", 2)
    assert Cursors(tmp_path).get("mqtt") == 2
    cursors.close()


@pytest.mark.parametrize("text", ["", "zz", "\xff", "1 2"])
def test_a_damaged_cursor_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "mqtt.cursor").write_bytes(text.encode("latin-1"))
    assert Cursors(tmp_path).get("mqtt") is None


def test_a_cursor_that_cannot_be_written_counts_all_the_same_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mqtt.cursor").mkdir()
    cursors = Cursors(tmp_path)
    for offset in range(5):
        cursors.set("mqtt", offset)
    assert cursors.get("mqtt") == 4
    assert caplog.messages == ["a cursor cannot be written"]
    (tmp_path / "mqtt.cursor").rmdir()
    cursors.set("mqtt", 5)
    assert Cursors(tmp_path).get("mqtt") == 5
    cursors.close()


def test_without_a_folder_cursors_are_in_memory() -> None:
    cursors = Cursors(None)
    cursors.set("mqtt", 5)
    assert cursors.get("mqtt") == 5
    cursors.forget("mqtt")
    assert cursors.get("mqtt") is None
    cursors.close()
