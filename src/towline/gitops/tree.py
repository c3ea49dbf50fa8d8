"""The files of one commit: what may be in them, writing them, and telling edits by hand."""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from towline.errors import Problem
from towline.gitops.reasons import CommitRefused

_LINK: Final = "120000"
_FILES: Final = ("100644", "100755", "100664")
_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""The disk's fault, not the commit's."""
_MOST_TOLD: Final = 20
_MOST_HASHED: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a link of a commit. `id` is git's hash of its content."""

    mode: str
    id: str
    size: int
    path: str

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == _LINK


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much a configuration may have, in bytes and files."""

    repository: int = 128 << 20
    tree: int = 16 << 20
    files: int = 5000

    @property
    def listing(self) -> int:
        """How many bytes a listing of so many files can have."""
        return self.files * 256 + 4096


def listing(printed: bytes) -> list[Entry]:
    """`git ls-tree -r -l -z`: `mode SP type SP id SP size TAB path NUL`; without submodules."""
    found = []
    for row in printed.split(b"\0"):
        words, _, path = row.partition(b"\t")
        if len(parts := words.split()) != 4:
            continue
        mode, _, name, size = (part.decode("ascii", "replace") for part in parts)
        if mode == _LINK or mode in _FILES:
            found.append(Entry(mode, name, int(size), os.fsdecode(path)))
    return found


def refuse_unfit(entries: Sequence[Entry], bounds: Bounds) -> None:
    """`CommitRefused` for a commit that is too large or has paths that lead elsewhere."""
    problems = []
    if len(entries) > bounds.files:
        problems.append(_problem("too_much", f"the commit has more than {bounds.files} files"))
    if sum(entry.size for entry in entries) > bounds.tree:
        wanted = f"the commit's files are larger than {bounds.tree >> 20} MiB together"
        problems.append(_problem("too_much", wanted))
    strange = [entry.path for entry in entries if _is_strange(entry.path)]
    problems += [_problem("bad_path", "a path that cannot be used", path) for path in strange]
    if problems:
        raise CommitRefused(problems[:_MOST_TOLD])


def _is_strange(path: str) -> bool:
    parts = path.split("/")
    return any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)


def write(
    folder: Path, entries: Sequence[Entry], blobs: bytes, at: Callable[[str], None]
) -> dict[str, str]:
    """Write a commit's files, down to the disk; the manifest: path to content's hash.

    `blobs` is what `git cat-file --batch` printed for the entries in their order. Links come
    last: no file is ever written through one. `CommitRefused` where one leaves the tree.
    """
    links = []
    for entry, content in _contents(entries, blobs):
        path = folder / entry.path
        with _told(entry.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.is_link:
                links.append((path, content))
            else:
                _write(path, content)
        at("writing")
    _link(folder, links)
    for place, _, _ in os.walk(folder):
        sync_folder(Path(place))
    return {entry.path: entry.id for entry in entries}


@contextmanager
def _told(path: str) -> Iterator[None]:
    """A path that the file system does not take (too long, a file where a folder should be)."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _DISK:
            raise
        told = _problem("bad_path", f"cannot be written: {exc.strerror}", path)
        raise CommitRefused([told]) from exc


def _contents(entries: Sequence[Entry], blobs: bytes) -> Iterator[tuple[Entry, bytes]]:
    """`id SP type SP size LF content LF` for each entry."""
    at = 0
    for entry in entries:
        begin = blobs.index(b"\n", at) + 1
        at = begin + entry.size + 1
        content = blobs[begin : begin + entry.size]
        if _hash(content) != entry.id:
            raise OSError(f"git gave another content for {entry.path}")
        yield entry, content


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _link(folder: Path, links: Sequence[tuple[Path, bytes]]) -> None:
    root = os.path.realpath(folder)
    problems = []
    for path, content in links:
        target = os.fsdecode(content)
        inside = path.relative_to(folder).parent.as_posix()
        lexical = posixpath.normpath(posixpath.join(inside, target))
        if posixpath.isabs(target) or lexical.split("/")[0] == ".." or "\0" in target:
            problems.append(_leaves(folder, path))
        elif path.is_symlink() or path.exists():
            problems.append(_problem("bad_path", "the path occurs twice", _relative(folder, path)))
        else:
            with _told(_relative(folder, path)):
                path.symlink_to(target)
    for path, _ in links:
        # A link may pass through others: only what it comes to in the end counts.
        if path.is_symlink() and not f"{os.path.realpath(path)}/".startswith(f"{root}/"):
            problems.append(_leaves(folder, path))
    if problems:
        raise CommitRefused(problems[:_MOST_TOLD])


def _leaves(folder: Path, path: Path) -> Problem:
    return _problem("bad_link", "the link leads out of the repository", _relative(folder, path))


def _relative(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _problem(code: str, text: str, file: str = "") -> Problem:
    return Problem(code=code, text=text, file=file)


def edits(folder: Path, manifest: Mapping[str, str]) -> list[str]:
    """Files that are not as the commit has them: changed, removed or new ones, by their path."""
    found = dict.fromkeys(manifest, "removed")
    for place, folders, files in os.walk(folder):
        linked = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*files, *linked):
            path = Path(place, name)
            inside = _relative(folder, path)
            if inside in manifest and _is_as(path, manifest[inside]):
                del found[inside]
            else:
                found[inside] = "changed"
    return sorted(found)


def _is_as(path: Path, wanted: str) -> bool:
    try:
        mode = path.lstat()
        if stat.S_ISLNK(mode.st_mode):
            return _hash(os.fsencode(path.readlink())) == wanted
        if not stat.S_ISREG(mode.st_mode) or mode.st_size > _MOST_HASHED:
            return False
        return _hash(path.read_bytes()) == wanted
    except OSError:
        return False


def _hash(content: bytes) -> str:
    """Git's name for a content (gitformat-objects: SHA-1 of `blob SIZE NUL content`)."""
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
