"""How far an alert got and what it has counted: one small file per alert, replaced as a whole.

Offset and counts belong together, so a restart goes on as if there had been none. While actions
are under way nothing is written: a kill then repeats what led to them.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from towline.config.alerts import Alert
from towline.own_log import TOLD
from towline.trouble import Trouble

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`offset` is that of the next record; `saved` when that was so, in seconds.

    `rule` names the rule by which `windows` were counted.
    """

    offset: int
    saved: float
    last_fired: int | None
    rule: str
    windows: dict[str, Any]


class Keeper:
    """Keeps an alert's progress in `folder`; None: nowhere."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self._file = folder / f"{name}.json" if folder else None
        self._trouble = Trouble(
            _log,
            "the progress of an alert cannot be written",
            "the progress of an alert is written again",
            extra={"component": f"alerts.{name}", **TOLD},
        )

    def load(self) -> Progress | None:
        """What was kept; None where nothing was, or it is damaged."""
        if self._file is None:
            return None
        with suppress(OSError, ValueError):
            return msgspec.convert(json.loads(self._file.read_bytes()), Progress)
        return None

    def save(self, progress: Progress) -> None:
        """Keep it. Where the disk refuses, a restart repeats more."""
        if self._file is None:
            return
        found = {name: getattr(progress, name) for name in Progress.__slots__}
        part = self._file.with_suffix(".part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(found))
            os.replace(part, self._file)
        except OSError as exc:
            self._trouble.happened(exc.strerror or str(exc))
        else:
            self._trouble.over()

    def forget(self) -> None:
        """Begin at the store's end next time."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink()


def rule_of(alert: Alert) -> str:
    """A short name for what is counted and how; the actions do not belong to it."""
    counted = (alert.match, alert.events, alert.unless_exit, alert.over, alert.group)
    return f"{crc32(repr(counted).encode()):08x}"
