"""Which records lie beyond a checkpoint on disk. Pure."""

from __future__ import annotations

from typing import Final

_MARKS: Final = 8


class Unsaved:
    """From which offset on records of a container lie beyond its checkpoint on disk.

    A checkpoint that is asked for is on disk only later, or never: each leaves a mark, from which
    on the next records count.
    """

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self._marks: list[tuple[int, int | None]] = [(seq, None)]

    def emitted(self, offset: int) -> None:
        """Records were appended at or after `offset`."""
        seq, first = self._marks[-1]
        if first is None:
            self._marks[-1] = seq, offset

    def asked(self, seq: int) -> None:
        """A checkpoint at row `seq` goes to the disk; all that was emitted is up to there."""
        self._marks.append((seq, None))
        if len(self._marks) > _MARKS:
            self._marks[:2] = [(self._marks[0][0], self.lowest())]

    def saved(self, seq: int) -> None:
        """The checkpoint at row `seq` is on disk."""
        self.seq = max(self.seq, seq)
        while len(self._marks) > 1 and self._marks[1][0] <= seq:
            del self._marks[0]

    def lowest(self) -> int | None:
        """The offset from which on records need more than the checkpoint on disk."""
        return next((offset for _, offset in self._marks if offset is not None), None)
