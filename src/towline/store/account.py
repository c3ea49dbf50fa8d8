"""What the store remembers of itself over restarts: what it took, lost and wrote."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from towline.store.taken import Taken

_log = logging.getLogger(__name__)
DAYS: Final = 31
"""Days whose written bytes are remembered."""


class Account:
    """`taken` counts records between offsets; `totals` count what was lost, ever.

    `written` are bytes by day (UTC) and by what they were, `present` those of this run: what an SD
    card had to take.
    """

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._kept = b""
        self._number = -1.0
        self._today: Counter[str] = Counter()
        self.taken = Taken()
        self.totals: Counter[str] = Counter()
        self.written: dict[str, Counter[str]] = {}
        self.present: Counter[str] = Counter()
        self._surely, self._began = 0, None
        if path is not None and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        try:
            found = json.loads(path.read_bytes())
            taken = found["taken"]
            self.taken = Taken((int(a), int(b), int(n)) for a, b, n in taken["ranges"])
            self._surely, self._began = int(taken["surely"]), taken["began"]
            self.totals = Counter(_counts(found["totals"]))
            self.written = {day: Counter(_counts(kinds)) for day, kinds in found["written"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.warning("the store's account is damaged", extra={"file": path.name})

    def recover(self, segments: Any) -> None:
        """Close the run before this one, by what its files hold."""
        self.taken.recover(self._surely, self._began, segments)

    def wrote(self, kind: str, nbytes: int) -> None:
        """Bytes went to the disk."""
        number = self._clock() // 86_400
        if number != self._number:
            self._number = number
            day = f"{datetime.fromtimestamp(number * 86_400, UTC):%Y-%m-%d}"
            self._today = self.written.setdefault(day, Counter())
            for old in sorted(self.written)[:-DAYS]:
                del self.written[old]
        self._today[kind] += nbytes
        self.present[kind] += nbytes

    def save(self) -> None:
        """Put it on disk, if it has changed; an `OSError` leaves the old one."""
        found = {"taken": self.taken.as_json(), "totals": self.totals, "written": self.written}
        text = json.dumps(found, separators=(",", ":")).encode() + b"\n"
        if self._path is None or text == self._kept:
            return
        partial = self._path.with_name(self._path.name + ".part")
        with partial.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self._path)
        self._kept = text


def _counts(found: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in found.items()}
