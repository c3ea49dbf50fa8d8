"""The dead-letter file: records a destination will never take, with the reason, for a person."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from towline.record import Batch

MOST_BYTES: Final = 10_000_000


class DeadLetters:
    """One NDJSON file per backend: `{"rejectedAt":..., "reason":..., "record":{...}}`.

    When it has grown to half of `most_bytes` it becomes `<name>.1.ndjson`, in the place of the
    one before: together they stay within the limit and the newest are there.
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
        self._most_bytes = most_bytes
        self._clock = clock

    def add(self, records: Batch, reason: str) -> None:
        """Keep records; `OSError` when the disk does not take them."""
        head = json.dumps({"rejectedAt": round(self._clock() * 1000), "reason": reason})
        start = head[:-1].encode() + b',"record":'
        rows = b"".join(start + record.json + b"}\n" for record in records)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._make_room(len(rows))
        with self.path.open("ab") as file:
            file.write(rows)

    def _make_room(self, size: int) -> None:
        if self.path.exists() and self.path.stat().st_size + size > self._most_bytes // 2:
            os.replace(self.path, self._older)
