from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from towline.store import checkpoints
from towline.store.checkpoints import Checkpoint, Checkpoints


def point(container: str = "c1", seq: int = 1, *, engine: str = "E", rows: int = 3) -> Checkpoint:
    return Checkpoint(
        engine=engine,
        container=container,
        seq=seq,
        since="2026-11-21T10:22:47.123456789Z",
        rows=tuple(range(seq, seq + rows)),
    )


_points = st.builds(
    Checkpoint,
    engine=st.text(max_size=5),
    container=st.text(max_size=5),
    seq=st.integers(0, 1 << 62),
    since=st.text(max_size=30),
    rows=st.lists(st.integers(0, (1 << 32) - 1), max_size=20).map(tuple),
)


@given(st.lists(st.tuples(st.lists(_points, max_size=4), st.integers(0, 1 << 62)), max_size=5))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
def test_what_was_saved_is_read_back(
    tmp_path: Path, saves: list[tuple[list[Checkpoint], int]]
) -> None:
    path = tmp_path / "checkpoints"
    path.unlink(missing_ok=True)
    model: dict[tuple[str, str], Checkpoint] = {}
    kept = Checkpoints(path)
    for points, covered in saves:
        kept.save(points, covered)
        model |= {(one.engine, one.container): one for one in points}
        for found in (kept, Checkpoints(path)):
            assert {key: found.get(*key) for key in model} == model
            assert found.covered == covered
    assert kept.get("nobody", "at all here") is None


def test_the_same_container_on_two_engines_is_two(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "checkpoints")
    kept.save([point(seq=1, engine="A"), point(seq=2, engine="B")], 5)
    again = Checkpoints(tmp_path / "checkpoints")
    assert again.get("A", "c1") == point(seq=1, engine="A")
    assert again.get("B", "c1") == point(seq=2, engine="B")


@pytest.mark.parametrize("off", [1, 10, 40, 60])
def test_a_torn_end_costs_one_step_back_and_nothing_of_what_follows(
    tmp_path: Path, off: int
) -> None:
    path = tmp_path / "checkpoints"
    Checkpoints(path).save([point(seq=1)], 10)
    Checkpoints(path).save([point(seq=2)], 20)
    path.write_bytes(path.read_bytes()[:-off])
    again = Checkpoints(path)
    found = again.get("E", "c1")
    assert found in (point(seq=1), point(seq=2))
    assert again.covered == 10
    again.save([point(seq=3)], 30)
    assert Checkpoints(path).get("E", "c1") == point(seq=3)
    assert Checkpoints(path).covered == 30


@pytest.mark.parametrize("damage", [b"x", b"\0", b"\xff", b"\n"])
@pytest.mark.parametrize("at", [0, 4, 9, 30])
def test_a_damaged_row_is_passed_over_and_nothing_counts_as_covered(
    tmp_path: Path, damage: bytes, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoints"
    kept = Checkpoints(path)
    kept.save([point("c1", 1), point("c2", 1)], 10)
    kept.save([point("c1", 2)], 20)
    text = path.read_bytes()
    start = text.index(point("c2", 1).as_line()) + at
    path.write_bytes(text[:start] + damage + text[start + 1 :])
    again = Checkpoints(path)
    assert again.get("E", "c1") == point("c1", 2)
    assert again.get("E", "c2") is None
    assert again.covered == 0  # the store must be asked how far it got with c2
    assert "damaged checkpoints" in caplog.messages


@given(st.binary(max_size=200))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
def test_whatever_the_file_holds_it_is_read(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "checkpoints"
    path.write_bytes(text)
    kept = Checkpoints(path)
    assert kept.covered == 0
    kept.save([point()], 5)
    assert Checkpoints(path).get("E", "c1") == point()


def test_the_file_is_written_anew_when_it_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "COMPACT", 2_000)
    path = tmp_path / "checkpoints"
    kept = Checkpoints(path)
    for seq in range(60):
        kept.save([point(f"c{seq % 3}", seq)], seq)
        assert path.stat().st_size <= 2_000
    again = Checkpoints(path)
    assert [again.get("E", f"c{n}") for n in range(3)] == [
        point("c0", 57), point("c1", 58), point("c2", 59),
    ]  # fmt: skip
    assert again.covered == 59
    assert [found.name for found in tmp_path.iterdir()] == ["checkpoints"]


def test_a_forgotten_container_leaves_the_file_with_the_next_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoints"
    kept = Checkpoints(path)
    kept.save([point("c1"), point("c2")], 5)
    kept.forget("E", "c1")
    kept.forget("E", "never known")
    assert kept.get("E", "c1") is None
    monkeypatch.setattr(checkpoints, "COMPACT", 1)
    kept.save([point("c2", 2)], 6)
    again = Checkpoints(path)
    assert again.get("E", "c1") is None
    assert again.get("E", "c2") == point("c2", 2)


def test_nothing_new_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints"
    kept = Checkpoints(path)
    kept.save([], 0)
    assert not path.exists()
    kept.save([], 7)
    size = path.stat().st_size
    kept.save([], 7)
    assert path.stat().st_size == size
    assert Checkpoints(path).covered == 7


def test_what_could_not_be_written_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints"
    kept = Checkpoints(path)
    kept.save([point(seq=1)], 5)
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match=r"."):
        kept.save([point(seq=2)], 6)
    assert kept.get("E", "c1") == point(seq=1)
    assert kept.covered == 5
    path.rmdir()
    kept.save([point(seq=2)], 6)
    assert Checkpoints(path).get("E", "c1") == point(seq=2)


def test_the_beginning_of_a_container_is_known_at_once(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints"
    kept = Checkpoints(path)
    kept.begin(point(seq=0, rows=0))
    assert kept.get("E", "c1") == Checkpoints(path).get("E", "c1") == point(seq=0, rows=0)


def test_without_a_file_checkpoints_are_in_memory() -> None:
    kept = Checkpoints(None)
    kept.begin(point("c2", 0))
    kept.save([point()], 5)
    assert kept.get("E", "c1") == point()
    assert kept.covered == 5
