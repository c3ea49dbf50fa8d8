"""A container's log as an engine serves it, without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from tests.unit.sources.docker.rows import frame
from towline.errors import SourceError
from towline.sources.docker.stream import Stream


class Answer(Stream):
    """An answer that comes in pieces, and ends or breaks."""

    def __init__(
        self, feed: Callable[[bytes], None], pieces: list[bytes], fault: Exception | None
    ) -> None:
        super().__init__(feed)
        self._pieces = pieces
        self._fault = fault
        asyncio.get_running_loop().call_soon(self._come)

    def _come(self) -> None:
        while self._pieces:
            self._feed(self._pieces.pop(0))
        self._finish(self._fault)

    def close(self) -> None:
        self._pieces = []


class DockerLog:
    """Rows, of which the oldest may be rotated away and some may be damaged.

    A read that meets damage ends there: with a word among the rows (Docker 26), or without (20.10,
    `silent`). `break_after` ends the next answer in its middle, after so many rows.
    """

    def __init__(self, rows: list[bytes] | None = None, *, silent: bool = True) -> None:
        self.rows = rows or []
        self.damage: int | None = None
        self.silent = silent
        self.break_after: int | None = None
        self.asked: list[str] = []
        self.piece = 7

    async def open(self, query: str, feed: Callable[[bytes], None]) -> Stream:
        """Answer a request for the log."""
        await asyncio.sleep(0)
        self.asked.append(query)
        rows = self.rows
        tail: Any = parse_qs(query).get("tail", ["all"])[0]
        begin = max(0, len(rows) - int(tail)) if tail != "all" else 0
        end = len(rows)
        if self.damage is not None and begin < self.damage:
            end = self.damage
        fault = None
        if self.break_after is not None:
            end, fault = min(end, begin + self.break_after), SourceError("connection lost")
            self.break_after = None
        data = b"".join(rows[begin:end])
        if end < len(rows) and fault is None and not self.silent:
            data += frame(b"Error grabbing logs: invalid character\n", 3)
        pieces = [data[at : at + self.piece] for at in range(0, len(data), self.piece)]
        return Answer(feed, pieces, fault)
