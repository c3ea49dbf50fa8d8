"""How far a journal has been read, as numbers that records bear. Pure.

A journal numbers its entries; a journal that was begun anew numbers from one again, as another
series. `seq` is the number of the entry, and above it the number of the series: so it only grows,
and the store's own last record of an origin tells exactly how far that origin was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from towline.record import Line, Origin
from towline.sources.journald.entries import Cursor
from towline.sources.journald.export import Entry
from towline.store.checkpoints import Checkpoint
from towline.store.tails import JOURNAL, Tail, journal_key

PLACE: Final = "journal"
"""What stands for an engine and a container in the checkpoint of a journal."""

BEGINNING: Final = Checkpoint(engine=PLACE, container=PLACE, seq=JOURNAL, since="", rows=())
"""Nothing of a journal has been read."""

_DIGITS: Final = 18
_NUMBERS: Final = JOURNAL
"""Numbers of one series; the first series begins here."""


class Position:
    """Where reading stands. `cursor` is that of the last entry taken, as the journal writes it."""

    def __init__(self, checkpoint: Checkpoint, tails: Mapping[str, Tail]) -> None:
        self.seq = checkpoint.seq
        self.cursor, _, series = checkpoint.since.partition(" ")
        self._series = series.encode()
        if self.cursor and not series:
            self._series = Cursor.parse(self.cursor.encode()).series
        self._base = self.seq // _NUMBERS * _NUMBERS
        self._stored = {key: tail for key, tail in tails.items() if tail.seq > self.seq}
        self._ordinals: dict[bytes, tuple[bytes, int]] = {}

    def advance(self, entry: Entry) -> Checkpoint | None:
        """Take an entry's number; `KeyError` or `ValueError` when it has none.

        Where it begins another series, a checkpoint to note before anything of it is stored.
        """
        text = entry[b"__CURSOR"]
        cursor = Cursor.parse(text)
        before, series = self.cursor, self._series
        self._series = cursor.series
        begins = bool(series) and cursor.series != series
        if begins:
            self._base += _NUMBERS
        self.seq = self._base + cursor.number
        self.cursor = text.decode("ascii")
        return self.checkpoint(before) if begins else None

    def is_stored(self, origin: Origin, line: Line) -> bool:
        """Whether the store has an origin's line from an earlier run."""
        if not self._stored:
            return False
        tail = self._stored.get(journal_key(origin.container_id or "", origin.name))
        if tail is None:
            return False
        return line.seq <= (tail.seq if line.system else tail.streams[line.stderr])

    def jumped(self, entry: Entry) -> int:
        """How many entries of a container are missing before this one, by Docker's own count."""
        ordinal = entry.get(b"CONTAINER_LOG_ORDINAL", b"")
        epoch = entry.get(b"CONTAINER_LOG_EPOCH", b"")
        if not ordinal.isdigit() or len(ordinal) > _DIGITS:
            return 0
        container, number = entry[b"CONTAINER_ID_FULL"], int(ordinal)
        known_epoch, known = self._ordinals.get(container, (b"", 0))
        self._ordinals[container] = epoch, number
        return max(0, number - known - 1) if epoch == known_epoch else 0

    def checkpoint(self, before: str = "") -> Checkpoint:
        """Where this stands; or at the entry `before` an open line, or before a series began."""
        since, seq = self.cursor, self.seq
        if before:
            found = Cursor.parse(before.encode())
            same = found.series == self._series
            since = before if same else f"{before} {self._series.decode()}"
            seq = self._base + (found.number if same else 0)
        return Checkpoint(engine=PLACE, container=PLACE, seq=seq, since=since, rows=())
