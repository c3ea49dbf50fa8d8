"""Closed files: compressed in independent blocks, still readable by `zstdcat` and `zcat`."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import zstandard

BLOCK: Final = 1 << 20
"""Bytes of NDJSON per compressed block; blocks are whole frames and can be read alone."""

SUFFIXES: Final = {"zstd": ".ndjson.zst", "gzip": ".ndjson.gz", "none": ".ndjson"}
"""What a closed file is called, by `compression`."""

_READ = 1 << 18


def blocks(path: Path, position: int = 0) -> Iterator[bytes]:
    """The content of a file, plain or compressed, piece by piece, from byte `position` of the text.

    Pieces end anywhere. A file that ends in the middle of a compressed block gives what is whole.
    """
    with path.open("rb") as file:
        if path.suffix == ".zst":
            stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            yield from _pieces(stream, position)
        elif path.suffix == ".gz":
            with gzip.open(file, "rb") as text:
                yield from _pieces(text, position)
        else:
            file.seek(position)
            yield from iter(lambda: file.read(_READ), b"")


def _pieces(stream: object, skip: int) -> Iterator[bytes]:
    read = stream.read  # type: ignore[attr-defined]
    while piece := read(_READ):
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:]
        skip = 0


def lines(path: Path, position: int = 0) -> Iterator[bytes]:
    """The whole lines of a file, without their newlines; a last line without one is left out."""
    rest = b""
    for piece in blocks(path, position):
        rows = (rest + piece).split(b"\n")
        rest = rows.pop()
        yield from rows


def content(path: Path) -> bytes:
    """The whole text of a file."""
    return b"".join(blocks(path))


def close(path: Path, compression: str) -> Path:
    """Compress a closed file, sync it, put it in the plain one's place; return where it is now.

    Blocking; for a thread. Until the rename the plain file is whole, after it the new one is.
    """
    if compression == "none":
        return path
    target = path.with_name(path.name.removesuffix(".ndjson") + SUFFIXES[compression])
    partial = target.with_name(target.name + ".part")
    zstd = zstandard.ZstdCompressor(level=3)
    with path.open("rb") as source, partial.open("wb") as out:
        while block := source.read(BLOCK):
            if not block.endswith(b"\n"):
                block += source.readline()
            out.write(zstd.compress(block) if compression == "zstd" else gzip.compress(block, 6))
        out.flush()
        os.fsync(out.fileno())
    partial.rename(target)
    path.unlink()
    return target
