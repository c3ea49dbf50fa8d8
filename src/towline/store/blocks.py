"""A file of the store opened for reading single blocks."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Self

import zstandard

from towline.store import codec
from towline.store.places import Place, places, words_at
from towline.store.words import unpacked


class Blocks:
    """A file opened for reading blocks alone. Blocking; `FileNotFoundError` when it is gone.

    `known` is False for a compressed file that does not tell where its blocks lie.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._suffix = path.suffix
        self._file = path.open("rb")
        self._places: dict[int, tuple[int, Place]] = {}
        self.known = True
        if not self.plain:
            found = places(self._file, self._suffix)
            self.known = found is not None
            starts = zip(
                accumulate((length for _, length in found or ()), initial=0),
                accumulate((stored for stored, _ in found or ()), initial=0),
                found or (),
                strict=False,
            )
            self._places = {at: (stored_at, place) for at, stored_at, place in starts}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def plain(self) -> bool:
        """Whether it is not compressed."""
        return self._suffix == ".ndjson"

    @property
    def length(self) -> int:
        """The bytes of its text; of its file where it does not tell."""
        if self._places:
            return sum(length for _, (_, length) in self._places.values())
        return os.fstat(self._file.fileno()).st_size

    def is_at(self, path: Path) -> bool:
        """Whether it is this very file that lies there now."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), path.stat())
        except FileNotFoundError:
            return False

    def words(self) -> bytes | None:
        """The words of its messages, see `words`; None where they are not known."""
        if self._suffix != ".zst" or not self._places:
            return None
        end = sum(stored for _, (stored, _) in self._places.values())
        packed = words_at(self._file, end)
        return unpacked(packed) if packed else None

    def holds(self, lengths: list[int]) -> bool:
        """Whether the blocks of the file are just that long."""
        if self.plain:
            return sum(lengths) == self.length
        return lengths == [length for _, (_, length) in self._places.values()]

    def every(self) -> Iterator[tuple[int, bytes]]:
        """The length of each block, and its text or what is whole of it."""
        if self._suffix == ".ndjson" or not self.known:
            yield from _cut(codec.blocks(self._path))
        else:
            for at, (_, (_, length)) in self._places.items():
                yield length, self.text(at, length)

    def text(self, at: int, length: int) -> bytes:
        """The text of the block there; of a damaged one what is whole."""
        if self.plain:
            return os.pread(self._file.fileno(), length, at)
        start, (stored, _) = self._places[at]
        data = os.pread(self._file.fileno(), stored, start)
        try:
            if self._suffix == ".zst":
                return zstandard.ZstdDecompressor().decompress(data, max_output_size=length)
            return zlib.decompress(data, wbits=31, bufsize=length)
        except (zstandard.ZstdError, zlib.error):
            return codec.salvage(data, self._suffix)


def _cut(pieces: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Text in blocks that end with a row."""
    rest = b""
    for piece in pieces:
        rest += piece
        if len(rest) >= codec.BLOCK and (end := rest.rfind(b"\n") + 1):
            yield end, rest[:end]
            rest = rest[end:]
    if end := rest.rfind(b"\n") + 1:
        yield end, rest[:end]
