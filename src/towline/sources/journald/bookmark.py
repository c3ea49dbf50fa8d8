"""How far a journal is read, how far that is in the store, and how far on disk. Pure but for time.

The checkpoint of a journal is one for all its origins; it stays before whatever is not in the store
yet: a line whose end has not come, and what a step of the pipeline holds back.
"""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import Final

from towline.record import Line, Origin
from towline.sources.journald.entries import Cursor
from towline.sources.journald.position import BEGINNING, PLACE, Position
from towline.sources.unsaved import Unsaved
from towline.store.checkpoints import Checkpoints
from towline.store.tails import Tail, journal_key
from towline.store.upkeep import Progress

SAVE_SECONDS: Final = 30.0
SAVE_ENTRIES: Final = 4096

NOTED: Final = (0.25, 64)
"""Every so many seconds the place is noted, and so many are kept: a step may hold lines back."""


class Bookmark:
    """Begins where the last reader of the journal stopped."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        known = checkpoints.get(PLACE, PLACE)
        if known is None:
            checkpoints.begin(BEGINNING)
        self.position = Position(known or BEGINNING, checkpoints.tails)
        self._unsaved = Unsaved(self.position.seq)
        self._saved_at = 0.0
        self._noted: deque[tuple[int, str]] = deque(maxlen=NOTED[1])
        self._noted_at = 0.0
        self._since: dict[str, Tail] = {}

    def note(self) -> None:
        """Entries are about to be taken: the place before them may be needed."""
        now = time.monotonic()
        if now - self._noted_at >= NOTED[0]:
            self._noted_at = now
            self._noted.append((self.position.seq, self.position.cursor))

    def emitted(self, origin: Origin, lines: list[Line], offset: int) -> None:
        """Lines of an origin were appended at or after `offset`."""
        self._unsaved.emitted(offset)
        key = journal_key(origin.container_id or "", origin.name)
        tail = self._since.get(key, Tail(0))
        for line in lines:
            tail = tail.then(seq=line.seq, time=line.time, stderr=line.stderr, system=line.system)
        self._since[key] = tail

    def hand_over(self) -> None:
        """Tell the next reader what the store has beyond the checkpoint."""
        self._checkpoints.tails.update(self._since)

    def progress(self, covered: int, *, begun: str, held: int, final: bool) -> Progress:
        """The checkpoint if one is due and possible; `covered` is the store's next offset.

        `begun` is the cursor before a line that is open, `held` the first entry that a step holds.
        """
        position = self.position
        if self._checkpoints.tails:
            covered = min(covered, self._checkpoints.covered)
        entries = position.seq - self._unsaved.seq
        age = time.monotonic() - self._saved_at
        due = entries and (final or entries >= SAVE_ENTRIES or age >= SAVE_SECONDS)
        before = self._before(begun, held) if due else None
        lowest = self._unsaved.lowest()
        if before is None or not position.cursor:
            return Progress([], covered if lowest is None else min(covered, lowest), lambda: None)
        point = position.checkpoint(before)
        if point.seq == position.seq:
            self._unsaved.asked(point.seq)
        elif lowest is not None:
            covered = min(covered, lowest)
        return Progress([point], covered, partial(self._saved, point.seq))

    def _before(self, begun: str, held: int) -> str | None:
        """The cursor before what is not in the store; empty where all is, None if not known."""
        if not held:
            return begun
        noted = next((cursor for seq, cursor in reversed(self._noted) if seq < held), "")
        found = [cursor for cursor in (noted, begun) if cursor]
        return min(found, key=_number) if noted else None

    def _saved(self, seq: int) -> None:
        self._saved_at = time.monotonic()
        self._unsaved.saved(seq)
        self._since = {key: tail for key, tail in self._since.items() if tail.seq > seq}
        for key in [key for key in self._checkpoints.tails if key.startswith(f"{PLACE}/")]:
            self._checkpoints.caught_up(key, seq)

    def forget(self) -> None:
        """Nothing of what was emitted since the checkpoint counts: it is read again."""
        self._since.clear()
        self._noted.clear()


def _number(cursor: str) -> int:
    return Cursor.parse(cursor.encode()).number
