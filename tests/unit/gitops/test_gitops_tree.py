"""What may be in a commit, and what becomes of it on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.gitops.reasons import CommitRefused
from towline.gitops.tree import Bounds, Entry, edits, listing, refuse_unfit, write

LINK, FILE = "120000", "100644"


def name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(path: str, content: bytes = b"x", mode: str = FILE) -> Entry:
    return Entry(mode, name(content), len(content), path)


def put(folder: Path, *files: tuple[str, bytes, str]) -> dict[str, str]:
    entries = [entry(path, content, mode) for path, content, mode in files]
    blobs = b"".join(
        f"{name(content)} blob {len(content)}\n".encode() + content + b"\n"
        for _, content, _ in files
    )
    return write(folder, entries, blobs, lambda _: None)


def test_a_listing_of_git_is_read_without_submodules() -> None:
    printed = (
        b"100644 blob ce013625030ba8dba906f756967f9e9ca394464a       6\tdevices/a b.yaml\0"
        b"120000 blob 2e65efe2a145dda7ee51d1741299f848e5bf752e       1\tlink\0"
        b"160000 commit 1111111111111111111111111111111111111111       -\tvendor\0"
        b"100755 blob e69de29bb2d1d6434b8b29ae775ad8c2e48c5391       0\tk\xfcche\0"
    )
    found = listing(printed)
    assert [(one.path, one.size, one.is_link) for one in found] == [
        ("devices/a b.yaml", 6, False),
        ("link", 1, True),
        (os.fsdecode(b"k\xfcche"), 0, False),
    ]


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a/../../b", ".git/config", "a/.GIT/x", "a//b", "."]
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(CommitRefused) as caught:
        refuse_unfit([entry(path)], Bounds())
    assert caught.value.problems[0].file == path


def test_every_reason_to_refuse_a_commit_is_told_at_once() -> None:
    with pytest.raises(CommitRefused) as caught:
        refuse_unfit([entry("a", b"xx"), entry("../b")], Bounds(tree=2, files=1))
    assert [problem.code for problem in caught.value.problems] == [
        "too_much",
        "too_much",
        "bad_path",
    ]
    refuse_unfit([entry("a"), entry("b")], Bounds(tree=2, files=2))


def test_files_are_written_byte_by_byte(tmp_path: Path) -> None:
    manifest = put(
        tmp_path, ("a/b", b"\r\n\0\xff", FILE), ("empty", b"", FILE), ("l", b"a/b", LINK)
    )
    assert (tmp_path / "a/b").read_bytes() == b"\r\n\0\xff"
    assert (tmp_path / "empty").read_bytes() == b""
    assert (tmp_path / "l").readlink() == Path("a/b")
    assert manifest == {"a/b": name(b"\r\n\0\xff"), "empty": name(b""), "l": name(b"a/b")}


@given(st.dictionaries(st.text("abc/", min_size=1), st.binary(max_size=40), max_size=6))
def test_any_tree_is_written_as_listed_or_refused_and_nothing_leaves_the_folder(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("around") / "tree"
    folder.mkdir()
    try:
        refuse_unfit([entry(path, content) for path, content in files.items()], Bounds())
        manifest = put(folder, *((path, content, FILE) for path, content in files.items()))
    except CommitRefused:
        pass
    else:
        assert edits(folder, manifest) == []
        assert all((folder / path).read_bytes() == content for path, content in files.items())
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("l", b"/etc/passwd"),
        ("l", b".."),
        ("d/l", b"../../x"),
        ("l", b"../tree/a"),
        ("l", b"d/../../x"),
    ],
)
def test_a_link_out_of_the_tree_is_refused(tmp_path: Path, link: str, target: bytes) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    with pytest.raises(CommitRefused, match="leads out"):
        put(folder, ("a", b"a", FILE), ("d/b", b"b", FILE), (link, target, LINK))


def test_links_that_lead_out_only_together_are_refused(tmp_path: Path) -> None:
    # By its text `out` is deep/x; but deep/here is the tree itself, and its parent is outside.
    folder = tmp_path / "tree"
    folder.mkdir()
    with pytest.raises(CommitRefused, match="leads out"):
        put(
            folder,
            ("a/f", b"f", FILE),
            ("deep/here", b"..", LINK),
            ("out", b"deep/here/../x", LINK),
        )


def test_links_within_the_tree_may_dangle_and_turn_in_circles(tmp_path: Path) -> None:
    put(tmp_path, ("d/l", b"../a", LINK), ("x", b"y", LINK), ("y", b"x", LINK))


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    with pytest.raises(CommitRefused):
        put(folder, ("d", b"..", LINK), ("d/evil", b"evil", FILE))
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommitRefused, match="cannot be written"):
        put(tmp_path, ("a", b"a", FILE), ("a/b", b"b", FILE))


def test_another_content_than_listed_is_not_written(tmp_path: Path) -> None:
    listed = entry("a", b"right")
    blobs = f"{listed.id} blob 5\n".encode() + b"wrong\n"
    with pytest.raises(OSError, match="another content"):
        write(tmp_path, [listed], blobs, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_every_edit_by_hand_is_found(tmp_path: Path) -> None:
    names = ("same", "changed", "removed", "linked", "folder")
    manifest = put(tmp_path, *((one, one.encode(), FILE) for one in names), ("l", b"same", LINK))
    assert edits(tmp_path, manifest) == []
    (tmp_path / "changed").write_bytes(b"CHANGED")
    (tmp_path / "removed").unlink()
    for one in ("linked", "folder", "l"):
        (tmp_path / one).unlink()
    (tmp_path / "linked").symlink_to("same")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/new").touch()
    (tmp_path / "l").symlink_to("changed")
    (tmp_path / "elsewhere").symlink_to("/etc")
    wanted = ["changed", "elsewhere", "folder", "folder/new", "l", "linked", "removed"]
    assert edits(tmp_path, manifest) == wanted
