"""Docker's own json files to entries. Pure.

One JSON object a line (moby daemon/logger/jsonfilelog/jsonlog/jsonlog.go): `log`, the row's text
with its newline, `stream`, and `time` in RFC 3339, its fraction without trailing zeros. An *entry*
is a row that was decoded; `row_of` gives it the very bytes that the API would have sent, so that
fingerprints taken by one way are found again by the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

import msgspec

from towline.sources.docker.frames import STDERR, STDOUT, TIME

LONGEST: Final = 4 << 20
"""Bytes of one row at most; what is longer without a newline is damage."""

_BEGIN: Final = b'{"log":'
_ZEROS: Final = "0" * 9
_SECONDS: Final = len("2026-01-02T15:04:05")
_head = Struct(">BxxxI").pack
_TERMINAL_HEAD: Final = bytes((STDOUT, 0, 0, 0, 0, 0, 0, 0))


class Entry(msgspec.Struct, gc=False):
    """One row as Docker wrote it down."""

    log: str
    stream: str
    time: str


_lines = msgspec.json.Decoder(Entry).decode_lines
_line = msgspec.json.Decoder(Entry).decode


class JsonRows:
    """Cuts the bytes of a json file into entries.

    `breaks` is where in the last piece damage was: the number of entries before it.

    A power cut leaves a block of NULs or a torn line, and what Docker writes next stands right
    behind it: that is found by its beginning.
    """

    def __init__(self) -> None:
        self.breaks: list[int] = []
        self._rest = b""

    @property
    def held(self) -> int:
        """How many bytes of a line without an end are held."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Entry]:
        """The entries that are whole now."""
        if self._rest:
            data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if len(self._rest) > LONGEST:
            self.breaks.append(0)
            self._rest = b""
        whole = data[:end] if self._rest or end != len(data) else data
        if not whole:
            return []
        try:
            entries = _lines(whole)
            for entry in entries:
                if len(entry.time) != TIME:
                    entry.time = nine_digits(entry.time)
        except ValueError:  # msgspec's own is one, too
            return self._one_by_one(whole)
        return entries

    def _one_by_one(self, data: bytes) -> list[Entry]:
        entries: list[Entry] = []
        for line in data.split(b"\n"):
            if not line:
                continue
            try:
                entries.append(_sound(line))
            except ValueError:
                self.breaks.append(len(entries))
                last = line.rfind(_BEGIN)
                if last > 0:
                    try:
                        entries.append(_sound(line[last:]))
                    except ValueError:
                        continue
        return entries

    def rest(self, *, torn: bool = False) -> None:
        """The file has ended: what has no newline is torn."""
        if torn or self._rest.strip(b"\0\n"):
            self.breaks.append(0)
        self._rest = b""


def _sound(line: bytes) -> Entry:
    entry = _line(line)
    entry.time = nine_digits(entry.time)
    return entry


def nine_digits(time: str) -> str:
    """A time in UTC with all nine digits of its fraction; `ValueError` when it is none."""
    whole, point, fraction = time[:_SECONDS], time[_SECONDS : _SECONDS + 1], time[_SECONDS + 1 : -1]
    if time[-1:] != "Z" or (point == "." and not fraction.isdigit()) or len(time) > TIME:
        raise ValueError(f"no time: {time!r}")
    if point == ".":
        return f"{whole}.{fraction:0<9}Z"
    if len(time) != _SECONDS + 1:
        raise ValueError(f"no time: {time!r}")
    return f"{whole}.{_ZEROS}Z"


def row_of(entry: Entry, terminal: bool) -> bytes:
    """The row as the API sends it."""
    body = f"{entry.time} {entry.log}".encode("utf-8", "replace")
    if terminal:
        return _TERMINAL_HEAD + body
    return _head(STDERR if entry.stream == "stderr" else STDOUT, len(body)) + body


def rows_of(entries: Sequence[Entry], terminal: bool) -> list[bytes]:
    """The same for many."""
    return [row_of(entry, terminal) for entry in entries]
