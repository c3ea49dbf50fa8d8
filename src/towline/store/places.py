"""Where the blocks of a closed file lie, told by the file itself, so that each is read alone.

zstd: a seek table in a last, skippable frame (facebook/zstd: contrib/seekable_format), and before
it another with the words of the messages. gzip: a
subfield in each member's header (RFC 1952, 2.3.1.1) says how long the member and its text are.
Ordinary tools read over both.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO, Final

Place = tuple[int, int]
"""The bytes of a block on disk, and of its text."""

_SKIPPABLE: Final = 0x184D2A5E
_WORDS: Final = 0x184D2A57
_SEEKABLE: Final = 0x8F92EAB1
_ENTRY: Final = struct.Struct("<II")
_FOOTER: Final = struct.Struct("<IBI")
_CHECKSUMS: Final = 0x80
_GZIP_HEAD: Final = struct.Struct("<HBBIBBH2sHII")
_GZIP_TAIL: Final = struct.Struct("<II")
_EXTRA: Final = 4
_OURS: Final = b"TL"


def seek_table(places: list[Place]) -> bytes:
    """The frame that ends a zstd file."""
    entries = b"".join(_ENTRY.pack(*place) for place in places)
    footer = _FOOTER.pack(len(places), 0, _SEEKABLE)
    return _ENTRY.pack(_SKIPPABLE, len(entries) + len(footer)) + entries + footer


def words_frame(packed: bytes) -> bytes:
    """The frame before it; nothing where no words are known."""
    return _ENTRY.pack(_WORDS, len(packed)) + packed if packed else b""


def words_at(file: BinaryIO, start: int) -> bytes:
    """The words of a zstd file whose blocks end at `start`, still packed; empty without any."""
    file.seek(start)
    head = file.read(_ENTRY.size)
    if len(head) < _ENTRY.size:
        return b""
    magic, size = _ENTRY.unpack(head)
    return file.read(size) if magic == _WORDS else b""


def gzip_member(block: bytes) -> bytes:
    """A block as a gzip member that says how long it is."""
    deflate = zlib.compressobj(6, wbits=-15)
    body = deflate.compress(block) + deflate.flush()
    size = _GZIP_HEAD.size + len(body) + _GZIP_TAIL.size
    extra = (12, _OURS, 8, size, len(block))
    head = _GZIP_HEAD.pack(0x8B1F, 8, _EXTRA, 0, 0, 255, *extra)
    return head + body + _GZIP_TAIL.pack(zlib.crc32(block), len(block) & 0xFFFFFFFF)


def places(file: BinaryIO, suffix: str) -> list[Place] | None:
    """The blocks of a compressed file in their order; None where it does not tell."""
    size = os.fstat(file.fileno()).st_size
    found = _of_zstd(file, size) if suffix == ".zst" else _of_gzip(file, size)
    if found is None or any(not stored or not length for stored, length in found):
        return None
    return found


def _of_zstd(file: BinaryIO, size: int) -> list[Place] | None:
    if size < _ENTRY.size + _FOOTER.size:
        return None
    file.seek(size - _FOOTER.size)
    count, flags, magic = _FOOTER.unpack(file.read(_FOOTER.size))
    length = count * _ENTRY.size + _FOOTER.size
    if magic != _SEEKABLE or flags & _CHECKSUMS or length + _ENTRY.size > size:
        return None
    file.seek(size - length - _ENTRY.size)
    table = file.read(length + _ENTRY.size)
    found = list(_ENTRY.iter_unpack(table[_ENTRY.size : -_FOOTER.size]))
    end = sum(stored for stored, _ in found)
    packed = words_at(file, end)
    if end + len(words_frame(packed)) + len(table) != size:
        return None
    return found


def _of_gzip(file: BinaryIO, size: int) -> list[Place] | None:
    found: list[Place] = []
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(_GZIP_HEAD.size)
        if len(head) < _GZIP_HEAD.size:
            return None
        magic, _, flags, _, _, _, extra, name, own, stored, length = _GZIP_HEAD.unpack(head)
        if (magic, flags, extra, name, own) != (0x8B1F, _EXTRA, 12, _OURS, 8) or not stored:
            return None
        found.append((stored, length))
        at += stored
    return found if at == size else None
