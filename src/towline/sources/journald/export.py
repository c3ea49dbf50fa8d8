"""The journal export format, cut into entries. Pure.

An entry is lines `FIELD=value`, ended by an empty line. A value that holds a newline or is not
UTF-8 comes as `FIELD`, newline, its length as eight bytes little-endian, the value, newline
(systemd docs/JOURNAL_EXPORT_FORMATS.md).
"""

from __future__ import annotations

from typing import Final

Entry = dict[bytes, bytes]

LONGEST: Final = 16 << 20
"""Bytes of one value that are kept; what is longer becomes empty."""

_LENGTH: Final = 8


class Entries:
    """Cuts what comes into entries, however it is split. `oversize` counts values left out."""

    def __init__(self) -> None:
        self.oversize = 0
        self._buffer = bytearray()
        self._entry: Entry = {}
        self._skip = 0

    def feed(self, data: bytes) -> list[Entry]:
        """The entries that are whole now. Of a field that comes twice, the first value counts."""
        buffer = self._buffer
        buffer += data
        found: list[Entry] = []
        at = min(self._skip, len(buffer))
        self._skip -= at
        while not self._skip and (end := buffer.find(b"\n", at)) >= 0:
            if end == at:
                if self._entry:
                    found.append(self._entry)
                self._entry = {}
                at += 1
                continue
            name, given, value = bytes(buffer[at:end]).partition(b"=")
            if given:
                self._entry.setdefault(name, value)
                at = end + 1
                continue
            after = self._binary(name, end + 1)
            if not after:
                break
            at = after
        del buffer[:at]
        return found

    def _binary(self, name: bytes, at: int) -> int:
        """Take a value of given length; return where it ends, or 0 while it is not all there."""
        buffer = self._buffer
        start = at + _LENGTH
        if len(buffer) < start:
            return 0
        length = int.from_bytes(buffer[at:start], "little")
        end = start + length + 1
        if length > LONGEST:
            self.oversize += 1
            self._entry.setdefault(name, b"")
            self._skip = max(0, end - len(buffer))
            return min(end, len(buffer))
        if len(buffer) < end:
            return 0
        self._entry.setdefault(name, bytes(buffer[start : end - 1]))
        return end
