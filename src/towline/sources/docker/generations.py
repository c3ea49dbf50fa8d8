"""The files of one container's log: the one that is written, and those that were rotated away.

Docker renames `x-json.log` to `.1`, `.1` to `.2` and so on, and begins a new one; with `compress`
it packs `.1` into `.1.gz` afterwards. A name tells nothing, so a file is known by its inode, and
one that is open stays readable whatever becomes of its name.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_TRIES: Final = 5

Identity = tuple[int, int]
"""Device and inode."""


class Generation:
    """One open file of a log, and how far it was read. `offset` counts what it holds unpacked.

    `torn`: a packed one whose end cannot be read.
    """

    def __init__(self, path: Path) -> None:
        packed = path.suffix == ".gz"
        raw = path.open("rb", buffering=0)
        found = os.fstat(raw.fileno())
        self.identity: Identity = found.st_dev, found.st_ino
        self.packed = packed
        self._raw = raw
        self._packed = gzip.GzipFile(fileobj=raw)
        self.torn = False
        self.offset = 0

    @property
    def size(self) -> int:
        """Bytes that it has by now; of a packed one, as it lies on the disk."""
        return os.fstat(self._raw.fileno()).st_size

    @property
    def linked(self) -> bool:
        """Whether it still has a name somewhere."""
        return os.fstat(self._raw.fileno()).st_nlink > 0

    @property
    def number(self) -> int:
        """Its open file's number."""
        return self._raw.fileno()

    def read(self, most: int) -> bytes:
        """What stands at `offset`, which the caller moves.

        Safe in a thread: a plain file is not moved by it.
        """
        if not self.packed:
            return os.pread(self._raw.fileno(), most, self.offset)
        pieces: list[bytes] = []
        size = 0
        try:
            while size < most and (piece := self._packed.read1(most - size)):
                pieces.append(piece)
                size += len(piece)
        except (EOFError, OSError, zlib.error):
            self.torn = True
        return b"".join(pieces)

    def before(self, count: int) -> bytes:
        """The last `count` bytes that were read."""
        begin = max(0, self.offset - count)
        return os.pread(self._raw.fileno(), self.offset - begin, begin)

    def seek(self, offset: int) -> None:
        """Go on at an offset."""
        if self.packed and offset != self.offset:
            self._packed.seek(offset)
        self.offset, self.torn = offset, False

    def close(self) -> None:
        """Let go of it."""
        with suppress(OSError):
            self._packed.close()
            self._raw.close()


def identity(path: Path) -> Identity | None:
    """The identity of the file with that name now; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _names(path: Path) -> Iterator[Path]:
    """The rotated files there are, the newest first, then in order of age."""
    number = 1
    while True:
        plain = path.with_name(f"{path.name}.{number}")
        packed = path.with_name(f"{path.name}.{number}.gz")
        if plain.exists():
            yield plain
        elif packed.exists():
            yield packed
        else:
            return
        number += 1


def open_all(path: Path) -> list[Generation]:
    """Every file of a log, the oldest first; `OSError` when the one that is written is not there.

    Names move while they are looked at: what was opened counts once the newest is still the newest.
    """
    for _ in range(_TRIES):
        opened = [Generation(path)]
        for name in _names(path):
            with suppress(FileNotFoundError):
                opened.append(Generation(name))
        if identity(path) == opened[0].identity and _distinct(opened):
            return opened[::-1]
        close_all(opened)
    raise OSError("the files of the log change faster than they can be opened")


def open_newer(path: Path, than: Identity) -> list[Generation] | None:
    """The files that came after one, the oldest first; None where that one is not to be found."""
    for _ in range(_TRIES):
        opened: list[Generation] = []
        found = False
        for name in (path, *_names(path)):
            try:
                generation = Generation(name)
            except FileNotFoundError:
                break
            if generation.identity == than:
                generation.close()
                found = True
                break
            opened.append(generation)
        if found and _distinct(opened) and (not opened or identity(path) == opened[0].identity):
            return opened[::-1]
        alone = not found and len(opened) == 1 and not any(_names(path))
        close_all(opened)
        if alone:
            return None
    return None


def _distinct(opened: list[Generation]) -> bool:
    return len({generation.identity for generation in opened}) == len(opened)


def close_all(opened: list[Generation]) -> None:
    """Let go of files."""
    for generation in opened:
        generation.close()
