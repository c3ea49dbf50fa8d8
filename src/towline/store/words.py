"""The words of a file's messages: what has a word that none of them holds is not in the file.

Words are runs of three or more ASCII letters, in lower case, with digits left out before: so the
many numbers in logs make no words, and lines that differ only in numbers are looked at once.
"""

from __future__ import annotations

import re
from typing import Final

import zstandard

MOST: Final = 512 << 10
"""Bytes of words beyond which a file goes without: then they are no words."""

_LEAST: Final = 3
_DIGITS: Final = b"0123456789"
MESSAGE: Final = len('{"id":"0123456789abcdef","message":"')
END: Final = b'","timestamp":'
"""In a row, where the message begins and what follows it: inside it a quote stands escaped."""

_LETTERS: Final = bytes(
    (code | 32) if chr(code).isascii() and chr(code).isalpha() else (10 if code == 10 else 32)
    for code in range(256)
)
_RUN: Final = re.compile(rb"[a-z]{%d,}" % _LEAST)
_FOLDED: Final = ("\u212a".encode(), "\u0130".encode(), "\u017f".encode())
"""Letters that are the same as an ASCII one in another case."""


class Words:
    """The words of one file, block by block."""

    def __init__(self) -> None:
        self._words: set[bytes] = set()
        self._none = False

    def add(self, block: bytes) -> None:
        """Take a block's rows in."""
        if self._none or (not block.isascii() and any(each in block for each in _FOLDED)):
            self._none = True
            return
        messages = [row[MESSAGE : row.find(END, MESSAGE)] for row in block.split(b"\n")]
        bare = set(b"\n".join(messages).translate(_LETTERS, _DIGITS).split(b"\n"))
        self._words.update(b" ".join(bare).split())
        if sum(map(len, self._words)) > MOST:
            self._none = True

    def packed(self) -> bytes:
        """All of them, compressed; empty where there are too many, or letters that fold."""
        if self._none:
            return b""
        text = b" ".join(sorted(word for word in self._words if len(word) >= _LEAST))
        return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(text)


def unpacked(packed: bytes) -> bytes | None:
    """The words, a space between two; None where they are not known."""
    try:
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=2 * MOST)
    except zstandard.ZstdError:
        return None


def words_of(texts: list[str]) -> tuple[bytes, ...]:
    """What each must be in some word of a file in which a message has all of the texts."""
    bare = [text.lower().encode().translate(None, _DIGITS) for text in texts]
    return tuple({run for each in bare for run in _RUN.findall(each)})
