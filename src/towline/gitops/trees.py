"""Trees of files, one per commit, and the link to the one in force.

A tree is made under another name and renamed when every byte of it is on the disk; the link is
swapped by a rename. So whatever moment the power goes, `current` leads to a whole tree.

    trees/<commit>/...        the files;  trees/<commit>-1, -2 after an edit by hand
    trees/<commit>.json       whose commit it is, from which repository, each file's hash
    current -> trees/<commit>
    edits/<time>/...          trees that somebody had edited
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from towline.gitops.repository import Commit
from towline.gitops.tree import Entry, edits, sync_folder, write

KEPT: Final = 3
KEPT_EDITS: Final = 5
_PART: Final = ".part"
CURRENT: Final = "current"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The files of a commit on disk. `history` names the repository and branch."""

    folder: Path
    commit: Commit
    history: str
    manifest: Mapping[str, str]

    @property
    def edits(self) -> list[str]:
        """Files that are not as the commit has them."""
        return edits(self.folder, self.manifest)


class Trees:
    """The folder of trees. Only one may work in it at a time: the store's lock sees to that."""

    def __init__(
        self, folder: Path, *, clock: Callable[[], float], at: Callable[[str], None]
    ) -> None:
        self._root = folder
        self._folder = folder / "trees"
        self._edits = folder / "edits"
        self._link = folder / CURRENT
        self._clock = clock
        self._at = at

    def open(self) -> None:
        """Make the folders; take away what a killed Towline left half done."""
        for folder in (self._root, self._folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in (*self._folder.glob(f"{_PART}*"), *self._root.glob(f"{_PART}*")):
            _remove(left)
        for manifest in self._folder.glob("*.json"):
            if not manifest.with_suffix("").is_dir():
                manifest.unlink()

    def running(self) -> Tree | None:
        """The tree in force; None before the first."""
        try:
            name = self._link.readlink().name
        except OSError:
            return None
        return self._tree(self._folder / name)

    def of(self, commit: Commit, history: str) -> Tree | None:
        """A whole and unedited tree of a commit, if there is one."""
        found = (self._tree(folder) for folder in self._folders(commit.id))
        ours = (tree for tree in found if tree and tree.history == history)
        return next((tree for tree in ours if not tree.edits), None)

    def make(self, commit: Commit, history: str, entries: Sequence[Entry], blobs: bytes) -> Tree:
        """Write a tree, whole or not at all. Blocks; `CommitRefused` as `write`."""
        taken = {folder.name for folder in self._folders(commit.id)}
        names = (commit.id, *(f"{commit.id}-{number}" for number in range(1, len(taken) + 1)))
        name = next(name for name in names if name not in taken)
        part = Path(mkdtemp(prefix=f"{_PART}-", dir=self._folder))
        try:
            part.chmod(0o755)
            manifest = write(part, entries, blobs, self._at)
            self._describe(name, commit, history, manifest)
            self._at("described")
            part.rename(self._folder / name)
            sync_folder(self._folder)
        finally:
            _remove(part)
        self._at("made")
        folder = self._folder / name
        return Tree(folder=folder, commit=commit, history=history, manifest=manifest)

    def swap(self, tree: Tree | None) -> None:
        """Put a tree in force; None: none is."""
        if tree is None:
            self._link.unlink(missing_ok=True)
            return
        fresh = self._root / f"{_PART}-{CURRENT}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path(self._folder.name) / tree.folder.name)
        self._at("linked")
        fresh.replace(self._link)
        sync_folder(self._root)
        self._at("swapped")

    def discard(self, tree: Tree) -> Path | None:
        """Take a tree away. One that was edited by hand goes to `edits`; where to is returned."""
        kept = None
        if tree.edits:
            kept = self._edits / f"{datetime.fromtimestamp(self._clock(), UTC):%Y%m%dT%H%M%S.%fZ}"
            self._edits.mkdir(mode=0o700, exist_ok=True)
            tree.folder.rename(kept)
            for old in sorted(self._edits.iterdir())[:-KEPT_EDITS]:
                shutil.rmtree(old, ignore_errors=True)
        else:
            # Not under its own name any more: what is half removed must not look like a tree.
            tree.folder.rename(gone := self._folder / f"{_PART}-gone-{tree.folder.name}")
            _remove(gone)
        self._manifest(tree.folder.name).unlink(missing_ok=True)
        return kept

    def tidy(self) -> None:
        """Keep the tree in force and those that were made last."""
        running = self.running()
        trees = sorted(self._folders(), key=lambda folder: folder.stat().st_mtime_ns)
        others = [folder for folder in trees if not running or folder != running.folder]
        for folder in others[: -(KEPT - 1)]:
            tree = self._tree(folder)
            if tree is None:
                _remove(folder)
            else:
                self.discard(tree)

    def _folders(self, commit: str = "") -> list[Path]:
        found = self._folder.glob(f"{commit}*")
        return [folder for folder in found if folder.is_dir() and folder.name[0] != "."]

    def _manifest(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _describe(
        self, name: str, commit: Commit, history: str, manifest: Mapping[str, str]
    ) -> None:
        about = {"commit": asdict(commit), "history": history, "files": manifest}
        part = self._folder / f"{_PART}-{name}.json"
        with part.open("w") as file:
            json.dump(about, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._manifest(name))

    def _tree(self, folder: Path) -> Tree | None:
        """A tree that was made whole: only such a one has its final name and a description."""
        if not folder.is_dir():
            return None
        try:
            about = json.loads(self._manifest(folder.name).read_text())
            commit = Commit(**about["commit"])
            history, manifest = str(about["history"]), dict(about["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Tree(folder=folder, commit=commit, history=history, manifest=manifest)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
