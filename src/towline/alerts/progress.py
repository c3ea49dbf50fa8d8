"""How far an alert got and what it has counted: one small file per alert, replaced as a whole.

Offset and counts belong together, so a restart goes on as if there had been none. While actions
are under way nothing is written: a kill then repeats what led to them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec
from msgspec import structs

from towline.alerts.rules import Windows
from towline.config.alerts import Alert
from towline.own_log import TOLD
from towline.trouble import Trouble

_log = logging.getLogger(__name__)


EVERY: Final = 30.0
"""Seconds between two writings while nothing happens."""

LEAST: Final = 1.0
"""Seconds between two writings whatever happens: a memory card wears."""

_NEWEST: Final = 1 << 62


class Progress(msgspec.Struct, frozen=True):
    """`offset` is that of the next record; `saved` when that was so, in seconds.

    `rule` names the rule by which `windows` were counted.
    """

    offset: int
    saved: float
    last_fired: int | None
    rule: str
    windows: dict[str, Any]


class Bookmark:
    """Keeps an alert's progress in a file of `folder`; None: nowhere.

    `held` from the moment when something was left undone: what was kept before that stays.
    """

    def __init__(
        self, folder: Path | None, name: str, alert: Alert, now: Callable[[], float]
    ) -> None:
        self._file = folder / f"{name}.json" if folder else None
        self._rule = _rule_of(alert)
        self._oldest = alert.max_age
        self._now = now
        self._kept_at = 0.0
        self._kept_offset = -1
        self._waits = False
        self.held = False
        self._trouble = Trouble(
            _log,
            "the progress of an alert cannot be written",
            "the progress of an alert is written again",
            extra={"component": f"alerts.{name}", **TOLD},
        )

    def find(self, windows: Windows) -> Progress | None:
        """Where to go on, with the windows as they were; None: nothing is known.

        What was kept too long ago leads to nothing that could still alarm: then it is the store's
        end. Another rule than the one that was counted by counts anew.
        """
        if self._file is None:
            return None
        try:
            found = msgspec.json.decode(self._file.read_bytes(), type=Progress)
            if found.rule == self._rule:
                windows.restore(found.windows)
        except (OSError, ValueError):
            return None
        is_old = self._now() - found.saved > self._oldest
        return structs.replace(found, offset=_NEWEST) if is_old else found

    def patience(self) -> float | None:
        """Seconds until a place that should be kept may be; None: there is none."""
        return max(0.0, self._kept_at + LEAST - self._now()) if self._waits else None

    def is_due(self, offset: int) -> bool:
        """Whether it is time to keep a place that has moved, or could not be kept earlier."""
        if not self._waits and offset == self._kept_offset:
            return False
        return not 0 <= self._now() - self._kept_at < (LEAST if self._waits else EVERY)

    def keep(
        self, offset: int, last_fired: int | None, windows: Windows, *, last: bool = False
    ) -> None:
        """Keep a place, unless `held`; `last`: at once, there is no later.

        Where the disk refuses, a restart repeats more.
        """
        if self._file is None or self.held:
            return
        self._waits = not last and 0 <= self._now() - self._kept_at < LEAST
        if self._waits:
            return
        self._kept_at, self._kept_offset = self._now(), offset
        progress = Progress(offset, self._kept_at, last_fired, self._rule, windows.state())
        part = self._file.with_suffix(".part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(msgspec.json.encode(progress))
            part.replace(self._file)
        except OSError as exc:
            self._trouble.happened(exc.strerror or str(exc))
        else:
            self._trouble.over()

    def remove(self) -> None:
        """Begin at the store's end next time."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink()


def _rule_of(alert: Alert) -> str:
    """A short name for what is counted and how; the actions do not belong to it."""
    counted = (alert.match, alert.events, alert.unless_exit, alert.over, alert.group)
    return f"{crc32(repr(counted).encode()):08x}"
