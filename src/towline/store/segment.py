"""One file of the store and what it holds."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from towline.pipeline.encode import Decoder
from towline.record import Record
from towline.store import codec

_log = logging.getLogger(__name__)
_ID = slice(len('{"id":"'), len('{"id":"') + 16)


def offset_of(row: bytes) -> int:
    """The offset of a row of ours: its id stands at a fixed place."""
    return int(row[_ID], 16)


@dataclass(slots=True)
class Facts:
    """What a file holds, so that a query can pass it by.

    `last` is the offset of its last record, `oldest` and `newest` are milliseconds.
    """

    count: int = 0
    last: int = -1
    oldest: int = 1 << 62
    newest: int = 0
    levels: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def add(self, records: list[Record]) -> None:
        """Count records in."""
        self.count += len(records)
        self.last = records[-1].offset
        times = [record.timestamp for record in records]
        self.oldest = min(self.oldest, min(times))
        self.newest = max(self.newest, max(times))
        self.levels.update({record.level for record in records})
        self.names.update({record.origin.name for record in records})

    def as_text(self) -> str:
        """For the file beside a closed one."""
        return json.dumps(
            {
                "count": self.count,
                "last": self.last,
                "oldest": self.oldest,
                "newest": self.newest,
                "levels": sorted(self.levels),
                "names": sorted(self.names),
            }
        )

    @classmethod
    def parse(cls, text: str) -> Facts:
        """From that text; `ValueError`, `KeyError` or `TypeError` when it is damaged."""
        found = json.loads(text)
        return cls(
            count=int(found["count"]),
            last=int(found["last"]),
            oldest=int(found["oldest"]),
            newest=int(found["newest"]),
            levels=set(found["levels"]),
            names=set(found["names"]),
        )


@dataclass(slots=True, eq=False, weakref_slot=True)
class Segment:
    """One file. `first` is the offset of its first record, `size` its bytes on disk.

    `damaged` counts rows that could not be read when they were last looked at.
    """

    path: Path
    first: int
    size: int = 0
    facts: Facts = field(default_factory=Facts)
    damaged: int = 0

    @property
    def stem(self) -> str:
        """The name without what tells how it is compressed."""
        return self.path.name.partition(".ndjson")[0]

    @property
    def index(self) -> Path:
        """Where the facts of a closed file are kept."""
        return self.path.with_name(f"{self.stem}.index")

    def lines(self) -> Iterator[bytes]:
        """Its whole rows, damaged ones among them; none when retention has removed it."""
        while True:
            path = self.current()
            try:
                yield from codec.lines(path)  # only its opening finds no file: nothing comes twice
            except FileNotFoundError:
                if path == self.current():
                    return
            else:
                return

    def passed_over(self, damaged: int) -> None:
        """Say that rows could not be read, when it is news."""
        if damaged > self.damaged:
            self.damaged = damaged
            _log.error("damaged rows in the store", extra={"file": self.path.name, "rows": damaged})

    def current(self) -> Path:
        """Where the file is now: it may have been compressed a moment ago."""
        if not self.path.exists():
            for suffix in codec.SUFFIXES.values():
                moved = self.path.with_name(self.stem + suffix)
                if moved.exists():
                    return moved
        return self.path

    def scan(self, decode: Decoder, *, to_damage: bool) -> int:
        """Learn the facts by reading its rows, all or up to the first damaged one.

        Returns the bytes of text that were read.
        """
        whole = damaged = 0
        records: list[Record] = []
        for row in self.lines():
            try:
                records.append(decode(row))
            except ValueError:
                if to_damage:
                    break
                damaged += bool(row)
            whole += len(row) + 1
            if len(records) >= 1000:
                self.facts.add(records)
                records.clear()
        if records:
            self.facts.add(records)
        self.passed_over(damaged)
        return whole
