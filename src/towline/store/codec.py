"""Closed files: compressed in independent blocks, still readable by `zstdcat` and `zcat`."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import zstandard

from towline.store.places import Place, gzip_member, seek_table, words_frame
from towline.store.words import Words

BLOCK: Final = 1 << 20
"""Bytes of NDJSON per compressed block; blocks are whole frames and can be read alone."""

SUFFIXES: Final = {"zstd": ".ndjson.zst", "gzip": ".ndjson.gz", "none": ".ndjson"}
"""What a closed file is called, by `compression`."""

_READ = 1 << 18
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC = b"\x1f\x8b\x08"


class _Frame(Protocol):
    """One compressed block being read."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def salvage(data: bytes, suffix: str) -> bytes:
    """What is whole in a damaged block."""
    opened, magic = (_zstd_frame, _ZSTD_MAGIC) if suffix == ".zst" else (_gzip_frame, _GZIP_MAGIC)
    return b"".join(_unpack(io.BytesIO(data), opened, magic))


def blocks(path: Path) -> Iterator[bytes]:
    """The text of a file, plain or compressed, piece by piece; pieces end anywhere.

    A block that ends too early gives what is whole. One that is damaged gives what comes before
    the damage and then a newline, so that rows of the next block keep to themselves.
    """
    with path.open("rb") as file:
        if path.suffix == ".zst":
            yield from _unpack(file, _zstd_frame, _ZSTD_MAGIC)
        elif path.suffix == ".gz":
            yield from _unpack(file, _gzip_frame, _GZIP_MAGIC)
        else:
            yield from iter(lambda: file.read(_READ), b"")


def _zstd_frame() -> _Frame:
    return zstandard.ZstdDecompressor().decompressobj()


def _gzip_frame() -> _Frame:
    return zlib.decompressobj(wbits=31)


def _unpack(file: BinaryIO, opened: Callable[[], _Frame], magic: bytes) -> Iterator[bytes]:
    frame = opened()
    data = b""
    while data := data or file.read(_READ):
        try:
            piece = frame.decompress(data)
        except (zstandard.ZstdError, zlib.error):
            yield b"\n"
            data, frame = _next_frame(file, data[1:], magic), opened()
            continue
        yield piece
        data = b""
        if frame.eof:
            data, frame = frame.unused_data, opened()


def _next_frame(file: BinaryIO, data: bytes, magic: bytes) -> bytes:
    """What is read from where a block seems to begin; empty at the end of the file."""
    while (at := data.find(magic)) < 0:
        more = file.read(_READ)
        if not more:
            return b""
        data = data[1 - len(magic) :] + more
    return data[at:]


def lines(path: Path) -> Iterator[bytes]:
    """The whole lines of a file, without their newlines; a last line without one is left out."""
    rest = b""
    for piece in blocks(path):
        rows = (rest + piece).split(b"\n")
        rest = rows.pop()
        yield from rows


def close(path: Path, compression: str) -> Path:
    """Compress a closed file, sync it, put it in the plain one's place; return where it is now.

    Blocking; for a thread. Until the rename the plain file is whole, after it the new one is.
    """
    if compression == "none":
        return path
    target = path.with_name(path.name.removesuffix(".ndjson") + SUFFIXES[compression])
    partial = target.with_name(target.name + ".part")
    try:
        pack(path, partial, compression)
        partial.rename(target)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    path.unlink()
    return target


def pack(path: Path, target: Path, compression: str) -> None:
    """Write a plain file compressed, and synced. Blocking."""
    zstd = zstandard.ZstdCompressor(level=3, write_checksum=True)
    packed = zstd.compress if compression == "zstd" else gzip_member
    sizes: list[Place] = []
    words = Words()
    with path.open("rb") as source, target.open("wb") as out:
        while block := source.read(BLOCK):
            if not block.endswith(b"\n"):
                block += source.readline()
            sizes.append((out.write(packed(block)), len(block)))
            if compression == "zstd":
                words.add(block)
        if compression == "zstd":
            out.write(words_frame(words.packed()) + seek_table(sizes))
        out.flush()
        os.fsync(out.fileno())
