"""Docker's json-file logger, in small: files that grow, rotate, are packed or cut."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

from towline.record import Line, time_text
from towline.sources.docker.catchup import CatchUp
from towline.sources.docker.history import History
from towline.sources.docker.jsonlog import JsonLog
from towline.sources.docker.position import Position
from towline.sources.docker.stream import Stream

SECOND = 1_000_000_000
BEGIN = 1_795_000_000 * SECOND


def short(ns: int) -> str:
    """A time as Go writes it: no zeros at the end of the fraction."""
    whole, _, fraction = time_text(ns).removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


class Writer:
    """Writes `<name>-json.log` and rotates it when told, as moby's loggerutils does."""

    def __init__(self, folder: Path, *, keep: int = 3, pack: bool = False) -> None:
        self.path = folder / "c-json.log"
        self.keep = keep
        self.pack = pack
        self.written: list[str] = []
        self.path.touch()

    def write(self, count: int, *, stream: str = "stdout", text: str = "") -> None:
        """So many rows more, numbered from one on."""
        for _ in range(count):
            number = len(self.written) + 1
            text_ = text or f"line {number}"
            self.written.append(text_)
            self.row(text_ + "\n", BEGIN + number * 1_000_100, stream)

    def row(self, text: str, ns: int, stream: str = "stdout") -> None:
        """One row."""
        found = {"log": text, "stream": stream, "time": short(ns)}
        self.raw(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        """Any bytes."""
        with self.path.open("ab") as file:
            file.write(data)

    def rotate(self) -> None:
        """Begin a new file; the oldest goes."""
        names = [self.path, *(self._name(number) for number in range(1, self.keep))]
        self._remove(names[-1])
        for older, newer in reversed(list(zip(names[1:], names[:-1], strict=True))):
            for end in ("", ".gz"):
                source = newer.with_name(newer.name + end)
                if source.exists():
                    source.rename(older.with_name(older.name + end))
        self.path.touch()
        if self.pack:
            data = names[1].read_bytes()
            with gzip.open(f"{names[1]}.gz", "wb") as packed:
                packed.write(data)
            names[1].unlink()

    def cut(self) -> None:
        """Cut it to nothing, in place."""
        os.truncate(self.path, 0)

    def unlink(self) -> None:
        """Remove the file that is written; as after a restart, another one begins."""
        self.path.unlink()
        self.path.touch()

    def _name(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _remove(self, path: Path) -> None:
        for end in ("", ".gz"):
            path.with_name(path.name + end).unlink(missing_ok=True)


class Reader:
    """A `JsonLog` at work, and the lines that came of it."""

    def __init__(self, path: Path, position: Position | None = None, *, capacity: int = 0) -> None:
        self.lines: list[Line] = []
        self.position = position or Position("E", "c", terminal=False)
        history = History(_no_engine, terminal=False)
        catch_up = CatchUp(self.position, history, self.lines.extend, filters_since=True)
        self.log = JsonLog(path, catch_up, capacity=capacity)

    async def read(self) -> list[str]:
        """All texts so far, after reading what there is."""
        while await self.log.drain():
            pass
        return self.texts()

    async def begin(self) -> list[str]:
        """The same, joining on first."""
        await self.log.join()
        return await self.read()

    def texts(self) -> list[str]:
        return [line.text for line in self.lines if not line.system]

    def gaps(self) -> list[str]:
        return [line.text for line in self.lines if line.system]


async def _no_engine(query: str, feed: object) -> Stream:
    raise AssertionError("nobody asks the engine")
