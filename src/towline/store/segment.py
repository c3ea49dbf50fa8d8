"""One file of the store and what it holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from towline.pipeline.encode import Decoder
from towline.record import Record
from towline.store import codec
from towline.store.blocks import Blocks
from towline.store.facts import Block, blocks_of
from towline.store.facts import Facts as Facts

_log = logging.getLogger(__name__)
_PIECE: Final = 1000
_ID: Final = slice(len('{"id":"'), len('{"id":"') + 16)


def offset_of(row: bytes) -> int:
    """The offset of a row of ours: its id stands at a fixed place."""
    return int(row[_ID], 16)


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

    def load(self) -> bool:
        """Learn the facts from the index; whether there is one, whole and of this very file."""
        try:
            facts = Facts.parse(self.index.read_text())
            if facts.kinds is None:  # an older format does not tell of what file it is
                self.facts = facts
                return facts.last >= self.first
            with self.opened() as file:
                ours = facts.last >= self.first and file.length == facts.length
        except (OSError, ValueError):
            return False
        if ours:
            self.facts = facts
        return ours

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
        """Rows could not be read: when that is news it is said, and the index is made again."""
        if self._say(damaged) and self.facts.blocks is None:
            self.facts.kinds = None  # what is counted there is not all there any more
            self.index.unlink(missing_ok=True)

    def _say(self, damaged: int) -> bool:
        news = damaged > self.damaged
        if news:
            self.damaged = damaged
            _log.error("damaged rows in the store", extra={"file": self.path.name, "rows": damaged})
        return news

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
        if to_damage:
            return self._scan_rows(decode)
        with self.opened() as file:
            self._scan_file(file, decode)
            self._remember()
            return file.length

    def _remember(self) -> None:
        """Put the index beside the file; where the disk refuses, the blocks stay in memory."""
        if self.facts.count:
            blocks = self.facts.blocks
            try:
                self.index.write_text(self.facts.as_text())
            except OSError:
                self.facts.blocks = blocks

    def _scan_rows(self, decode: Decoder) -> int:
        whole = 0
        records: list[Record] = []
        for row in self.lines():
            try:
                records.append(decode(row))
            except ValueError:
                break
            whole += len(row) + 1
            if len(records) >= _PIECE:
                self.facts.add(records)
                records.clear()
        if records:
            self.facts.add(records)
        return whole

    def _scan_file(self, file: Blocks, decode: Decoder) -> None:
        """Block by block, as they lie in the file; where it does not tell, the facts alone."""
        damaged = 0
        for length, text in file.every():
            records = []
            for row in text.split(b"\n"):
                try:
                    records.append(decode(row))
                except ValueError:
                    damaged += bool(row)
            self.facts.add_block(length, records)
        if not file.known:
            self.facts.blocks = None
        self._say(damaged)

    def opened(self) -> Blocks:
        """The file, opened for reading its blocks; `FileNotFoundError` when it was removed."""
        path = self.current()
        try:
            return Blocks(path)
        except FileNotFoundError:
            if path == (moved := self.current()):
                raise
            return Blocks(moved)

    def snapshot(self) -> list[Block] | None:
        """The blocks of a file that still grows, as they are now; None when the index has them."""
        blocks = self.facts.blocks
        return None if blocks is None else [block.copy() for block in blocks if block.length]

    def blocks(self, file: Blocks, decode: Decoder) -> list[Block] | None:
        """The blocks of a closed file; None where it does not tell where they lie. Blocking.

        An index that is missing, damaged or that of another file is made again.
        """
        if not file.known:
            return None
        try:
            found = blocks_of(self.index.read_text())
        except (OSError, ValueError):
            found = []
        if found and file.holds([block.length for block in found]):
            return found
        return self._learn_again(file, decode)

    def _learn_again(self, file: Blocks, decode: Decoder) -> list[Block] | None:
        again = Segment(self.path, self.first, damaged=self.damaged)
        again._scan_file(file, decode)
        self.damaged = again.damaged
        found = again.facts.blocks
        if again.facts.count and file.is_at(self.current()):  # it may have been written anew
            again._remember()
            self.facts = again.facts
        return found
