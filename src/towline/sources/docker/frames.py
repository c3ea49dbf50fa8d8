"""Bytes of a log stream to rows. Pure.

A *row* is one message as Docker keeps it: a whole line, or a part of 16 KiB of a longer one. As
bytes it is `[stream][0 0 0][size, 4 bytes][time, 30 characters][space][text]`: the frame of
Docker's multiplexed stream (moby pkg/stdcopy), with the time that `timestamps=1` puts in front.
Rows of a terminal, which has no frames, get a header of the same length, so that everything
behind this file knows one shape.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, Protocol

from towline.errors import SourceError

HEADER: Final = 8
TIME: Final = 30
TEXT: Final = HEADER + TIME + 1
PART: Final = 16_384
"""Bytes at which Docker cuts a line (moby daemon/logger/copier.go, `defaultBufSize`)."""

STDOUT: Final = 1
STDERR: Final = 2
ERROR: Final = 3
"""The daemon's own words in the stream (`Error grabbing logs: ...`): never a line."""

MAX_FRAME: Final = 4 << 20
_head = Struct(">II").unpack_from
_ERROR_HEAD: Final = ERROR << 24
_ROW_HEADS: Final = frozenset(stream << 24 for stream in (0, STDOUT, STDERR))
_TERMINAL_HEADER = bytes((STDOUT, 0, 0, 0, 0, 0, 0, 0))


class NotFrames(SourceError):
    """The bytes are no frames: the stream is a terminal's, or broken."""


class Rows(Protocol):
    """Cuts a stream into rows. `errors` collects what the daemon itself said in it."""

    errors: list[str]

    def feed(self, data: bytes) -> list[bytes]:
        """The rows that are whole now."""

    def rest(self) -> bytes:
        """What is left at the end of the stream and may be a row."""


class FramedRows:
    """Rows of a multiplexed stream."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The rows that are whole now; `NotFrames` when these are none."""
        if self._rest:
            data = self._rest + data
        rows: list[bytes] = []
        add = rows.append
        at, end = 0, len(data)
        last = end - HEADER
        while at <= last:
            head, size = _head(data, at)
            until = at + HEADER + size
            if head not in _ROW_HEADS or size > MAX_FRAME:
                if head != _ERROR_HEAD or size > MAX_FRAME:
                    raise NotFrames(f"no frame header: {data[at : at + HEADER].hex()}")
                if until <= end:
                    self.errors.append(data[at + HEADER : until].decode("utf-8", "replace").strip())
            elif until <= end:
                add(data[at:until])
            if until > end:
                break
            at = until
        self._rest = data[at:]
        return rows

    def rest(self) -> bytes:
        """Nothing: half a frame is not a row, the catch-up reads it again."""
        return b""


class TerminalRows:
    """Rows of a container with a terminal: a time before each row, no frames.

    A part has no newline at its end: the next time stands 16,384 bytes after its text began.
    `unended` is a last row without a newline that was taken before: when the container has been
    started again, the next row's time stands right behind it.
    """

    def __init__(self, unended: bytes = b"") -> None:
        self.errors: list[str] = []
        self._unended = unended
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The rows that are whole now."""
        data = self._rest + data if self._rest else data
        rows: list[bytes] = []
        at, end = 0, len(data)
        while True:
            text = at + TIME + 1
            newline = data.find(b"\n", text, text + PART)
            if newline >= 0:
                until = newline + 1
            elif end > text + PART:  # one byte more proves that no newline follows
                until = text + PART
            else:
                break
            if self._unended and data.startswith(self._unended, at):
                until = min(until, at + len(self._unended))
            rows.append(_TERMINAL_HEADER + data[at:until])
            at = until
        self._rest = data[at:]
        return rows

    def rest(self) -> bytes:
        """A last row without a newline, if it has a text."""
        return _TERMINAL_HEADER + self._rest if len(self._rest) > TIME + 1 else b""
