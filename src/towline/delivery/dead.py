"""The dead-letter file: records a destination will never take, with the reason, for a person."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from heapq import nsmallest
from pathlib import Path
from typing import Final

from towline.pipeline.encode import Decoder
from towline.record import Batch, Record

MOST_BYTES: Final = 10_000_000
_RECORD: Final = b',"record":'
_ID: Final = len(_RECORD + b'{"id":"')


class DeadLetters:
    """One NDJSON file per backend: `{"rejectedAt":..., "reason":..., "record":{...}}`.

    When it has grown to half of `most_bytes` it becomes `<name>.1.ndjson`, in the place of the
    one before: together they stay within the limit and the newest are there. Those `waiting`
    to be sent again stand in `<name>.again.ndjson` until that has ended.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = folder / f"{name}.ndjson"
        self._older = folder / f"{name}.1.ndjson"
        self._again = folder / f"{name}.again.ndjson"
        self._most_bytes = most_bytes
        self._clock = clock
        self._count: int | None = None
        self.waiting = self._again.exists()

    @property
    def count(self) -> int:
        """How many there are, without those that are being sent again."""
        if self._count is None:
            self._count = sum(1 for _ in self._rows())
        return self._count

    def add(self, records: Batch, reason: str) -> int:
        """Keep records; `OSError` when the disk does not take them.

        Returns how many older ones had to go.
        """
        head = json.dumps({"rejectedAt": round(self._clock() * 1000), "reason": reason})
        start = head[:-1].encode() + _RECORD
        rows = b"".join(start + record.json + b"}\n" for record in records)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        before = self.count
        gone = self._make_room(len(rows))
        with self.path.open("ab") as file:
            file.write(rows)
        self._count = before - gone + len(records)
        return gone

    def _make_room(self, size: int) -> int:
        if not self.path.exists() or self.path.stat().st_size + size <= self._most_bytes // 2:
            return 0
        gone = sum(1 for _ in _lines(self._older))
        os.replace(self.path, self._older)
        return gone

    def page(self, after: str, limit: int) -> tuple[list[bytes], str | None]:
        """Rows in the order of their records' ids, those after one; and the id to go on after."""
        rows = (row for row in self._rows() if record_id(row) > after)
        found = nsmallest(limit + 1, rows, record_id)
        return found[:limit], record_id(found[limit - 1]) if len(found) > limit else None

    def begin_again(self) -> int:
        """Put all of them where `again` finds them; return how many that are. Blocking.

        None, where an earlier lot is still on its way: what is refused of that is not tried twice.
        """
        count = self.count
        if self.waiting or not count:
            return 0
        with self._again.open("ab") as file:
            file.writelines(row + b"\n" for row in self._rows())
        for path in (self._older, self.path):
            path.unlink(missing_ok=True)
        self._count, self.waiting = 0, self._again.stat().st_size > 0
        return count

    def again(self, decode: Decoder) -> Iterator[Record]:
        """The records that are to be sent again; what a crash has damaged is none."""
        for row in _lines(self._again):
            with suppress(ValueError):
                yield decode(row[row.index(_RECORD) + len(_RECORD) : -1])

    def end_again(self) -> None:
        """All of them have been sent, or set aside anew."""
        self._again.unlink(missing_ok=True)
        self.waiting = False

    def _rows(self) -> Iterator[bytes]:
        yield from _lines(self._older)
        yield from _lines(self.path)


def record_id(row: bytes) -> str:
    """The id of the record in a row."""
    at = row.index(_RECORD) + _ID
    return row[at : at + 16].decode("ascii", "replace")


def _lines(path: Path) -> Iterator[bytes]:
    """The whole rows of a file; one that a crash has torn is none."""
    if path.exists():
        with path.open("rb") as file:
            yield from (row[:-1] for row in file if row.endswith(b"}\n") and _RECORD in row)
