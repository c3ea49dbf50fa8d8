"""Trees on disk and the link to the one in force."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from pathlib import Path

import pytest

from towline.gitops.reasons import CommitRefused
from towline.gitops.repository import Commit
from towline.gitops.tree import Entry
from towline.gitops.trees import KEPT_EDITS, Tree, Trees


class Rig:
    """Trees in a folder, with a clock that goes on with every look."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.points: list[str] = []
        seconds = itertools.count(1_700_000_000)
        self.trees = Trees(root, clock=lambda: float(next(seconds)), at=self.points.append)
        self.trees.open()

    def make(self, number: int, content: bytes = b"text", path: str = "a/file") -> Tree:
        digest = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = Entry("100644", digest, len(content), path)
        blobs = f"{digest} blob {len(content)}\n".encode() + content + b"\n"
        return self.trees.make(commit(number), "url main", [entry], blobs)


def commit(number: int) -> Commit:
    return Commit(id=f"{number:040x}", author="Ada", subject="subject", committed_at=number)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "config-git")


def test_there_is_none_before_the_first(rig: Rig) -> None:
    assert rig.trees.running() is None


def test_a_tree_in_force_is_found_again_with_all_that_is_known_of_it(rig: Rig) -> None:
    tree = rig.make(1)
    rig.trees.swap(tree)
    assert Rig(rig.root).trees.running() == tree
    assert (rig.root / "current/a/file").read_bytes() == b"text"
    assert tree.commit == commit(1)
    assert tree.edits == []


def test_the_link_is_swapped_in_one_step(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.trees.swap(rig.make(1))
    seen = []
    told = rig.points.append

    def at(point: str) -> None:
        seen.append(os.readlink(rig.root / "current"))
        told(point)

    monkeypatch.setattr(rig.trees, "_at", at)
    rig.trees.swap(rig.make(2))
    names = [name.rpartition("/")[2].lstrip("0") for name in seen]
    assert rig.points[-2:] == ["linked", "swapped"]
    assert names[-2:] == ["1", "2"]


def test_whoever_looks_while_trees_are_swapped_always_finds_one(rig: Rig) -> None:
    pair = [rig.make(1), rig.make(2)]
    rig.trees.swap(pair[0])
    done, missed, looks = threading.Event(), [], 0

    def look() -> None:
        nonlocal looks
        while not done.is_set():
            looks += 1
            try:
                (rig.root / "current/a/file").read_bytes()
            except OSError as exc:
                missed.append(exc)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(300):
        rig.trees.swap(pair[number % 2])
    done.set()
    thread.join()
    assert not missed
    assert looks > 10


def test_no_tree_in_force_is_a_link_less(rig: Rig) -> None:
    rig.trees.swap(rig.make(1))
    rig.trees.swap(None)
    assert rig.trees.running() is None
    assert not os.path.lexists(rig.root / "current")


def test_a_tree_that_cannot_be_made_leaves_nothing(rig: Rig) -> None:
    with pytest.raises(CommitRefused):
        rig.make(1, path="x" * 300)
    assert list((rig.root / "trees").iterdir()) == []


def test_a_tree_is_used_again_unless_it_was_edited_or_is_of_another_history(rig: Rig) -> None:
    tree = rig.make(1)
    assert rig.trees.of(commit(1), "url main") == tree
    assert rig.trees.of(commit(1), "url other") is None
    assert rig.trees.of(commit(2), "url main") is None
    (tree.folder / "a/file").write_bytes(b"other")
    assert rig.trees.of(commit(1), "url main") is None
    second = rig.make(1)
    assert second.folder.name == f"{tree.folder.name}-1"
    assert rig.trees.of(commit(1), "url main") == second


def test_a_folder_without_its_description_is_no_tree(rig: Rig) -> None:
    tree = rig.make(1)
    rig.trees.swap(tree)
    tree.folder.with_name(f"{tree.folder.name}.json").write_text("{")
    assert rig.trees.running() is None


def test_leftovers_of_a_killed_towline_are_taken_away(rig: Rig) -> None:
    tree = rig.make(1)
    rig.trees.swap(tree)
    (rig.root / "trees/.part-x/a").mkdir(parents=True)
    (rig.root / "trees/.part-x.json").touch()
    (rig.root / "trees/2.json").touch()
    (rig.root / ".part-current").symlink_to("nowhere")
    again = Rig(rig.root)
    assert again.trees.running() == tree
    names = {path.name for path in (rig.root / "trees").iterdir()}
    assert names == {tree.folder.name, f"{tree.folder.name}.json"}
    assert not os.path.lexists(rig.root / ".part-current")


def test_an_edited_tree_is_kept_aside_and_an_unedited_one_removed(rig: Rig) -> None:
    tree = rig.make(1)
    assert rig.trees.discard(tree) is None
    tree = rig.make(1)
    (tree.folder / "new").write_text("mine")
    kept = rig.trees.discard(tree)
    assert kept is not None
    assert (kept / "new").read_text() == "mine"
    assert list((rig.root / "trees").iterdir()) == []


def test_only_the_last_edits_are_kept(rig: Rig) -> None:
    kept = []
    for number in range(KEPT_EDITS + 2):
        tree = rig.make(number)
        (tree.folder / "new").touch()
        kept.append(rig.trees.discard(tree))
    assert sorted((rig.root / "edits").iterdir()) == kept[2:]


def test_the_tree_in_force_and_the_last_two_are_kept(rig: Rig) -> None:
    made = [rig.make(number) for number in range(5)]
    for age, tree in enumerate(made):
        os.utime(tree.folder, ns=(age, age))
    rig.trees.swap(made[0])
    rig.trees.tidy()
    left = {path.name for path in (rig.root / "trees").iterdir() if path.is_dir()}
    assert left == {made[0].folder.name, made[3].folder.name, made[4].folder.name}
