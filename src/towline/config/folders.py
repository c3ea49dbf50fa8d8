"""Which folders must be watched to see that a file has become another one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from towline.config.files import EVERY

_MOST_LINKS: Final = 40
_OCTAL: Final = re.compile(r"\\(\d{3})")
"""How the kernel writes blanks and backslashes (proc_pid_mountinfo(5))."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Folders, and the names in them that matter. `inodes` tell when a folder is another one.

    Among the folders are files that are mounted one by one: what happens to such a file from the
    other side of its mount, its folder on this side never hears.
    """

    folders: tuple[Path, ...]
    names: frozenset[str]
    inodes: frozenset[tuple[int, int]]

    def matters(self, name: str) -> bool:
        """Whether something that has happened to a name in one of the folders is of interest."""
        return name in self.names or (EVERY in self.names and name.endswith(".yaml"))


def watched(files: Iterable[Path]) -> Watched:
    """The folders of files and of every link on the way to them.

    Kubernetes swaps a link to a folder (`..data`), Git tools a link beside it.
    """
    ways = {way for file in files for way in _ways(file)}
    pairs = {_existing(way) for way in ways}
    folders = tuple(sorted({folder for folder, _ in pairs} | (ways & _mounts())))
    names = {name for _, name in pairs} | {folder.name for folder in folders}
    inodes = {found for folder in folders if (found := _inode(folder))}
    return Watched(folders, frozenset(names), frozenset(inodes))


def _ways(path: Path) -> Iterator[Path]:
    """The path, every link in it, and the paths that these lead to."""
    for _ in range(_MOST_LINKS):
        yield path
        link = next((part for part in (path, *path.parents) if part.is_symlink()), None)
        if link is None:
            return
        yield link
        try:
            target = link.parent / link.readlink()
        except OSError:
            return
        path = Path(os.path.normpath(target / path.relative_to(link)))


def _existing(way: Path) -> tuple[Path, str]:
    """The nearest folder above that is there, and the name in it that leads to the path."""
    while not way.parent.is_dir() and way.parent != way.parent.parent:
        way = way.parent
    return way.parent, way.name


def _mounts() -> set[Path]:
    """Where something is mounted."""
    try:
        rows = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return set()
    return {Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), row.split()[4])) for row in rows}


def _inode(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
