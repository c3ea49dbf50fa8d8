"""Lines that Docker cut at 16 KiB, joined again per container and stream. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from towline.record import Line, Origin
from towline.sources.journald.export import Entry

MAX_LINE: Final = 1 << 20
"""Characters of a joined line; a longer one is handed on in pieces marked `partial`."""

PATIENCE: Final = 1.0
"""Seconds that an open line waits for its next part."""

_PARTIAL: Final = ',"partial":true'

Key = tuple[str | None, bool]


@dataclass(slots=True)
class _Open:
    """A line being joined. `before` is the cursor after which reading gets all of it again."""

    origin: Origin
    line: Line
    part: bytes
    before: str
    at: float = 0.0
    size: int = 0
    texts: list[str] = field(default_factory=list)


class Parts:
    """The lines of one journal whose ends are still to come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[Key, _Open] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    @property
    def before(self) -> str:
        """The cursor after which the oldest open line begins; empty when none is open."""
        return next((one.before for one in self._open.values()), "")

    def take(self, origin: Origin, entry: Entry, line: Line, before: str) -> list[Line]:
        """The lines of an origin that are whole now; `before` is the cursor before the entry."""
        key = origin.container_id, line.stderr
        part = entry.get(b"CONTAINER_PARTIAL_ID", b"")
        partial = bool(part) or entry.get(b"CONTAINER_PARTIAL_MESSAGE") == b"true"
        found: list[Line] = []
        held = self._open.get(key)
        if held is not None and (not partial or held.part != part):
            found.append(self._close(key, _PARTIAL))
        if not partial:
            return [*found, line]
        held = self._open.setdefault(key, _Open(origin, line, part, before))
        held.at = self._clock()
        held.texts.append(line.text)
        held.size += len(line.text)
        held.line.seq = line.seq
        last = entry.get(b"CONTAINER_PARTIAL_LAST") == b"true"
        if last or held.size >= MAX_LINE:
            found.append(self._close(key, "" if last else _PARTIAL))
        return found

    def flush(self) -> list[tuple[Origin, Line]]:
        """Lines whose next part does not come, marked `partial`."""
        stale = self._clock() - PATIENCE
        keys = [(key, one.origin) for key, one in self._open.items() if one.at <= stale]
        return [(origin, self._close(key, _PARTIAL)) for key, origin in keys]

    def _close(self, key: Key, extra: str) -> Line:
        held = self._open.pop(key)
        held.line.text = "".join(held.texts)
        held.line.extra = extra
        return held.line
