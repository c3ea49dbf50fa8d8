"""Which devices were announced, over restarts: what is wanted no more can then be taken back."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)
MOST: Final = 5000


@dataclass(slots=True)
class Announced:
    """One device. `platforms` are those of its entities by key; `deleted`: by the user, there.

    `seen` is when its container was last known, in seconds since the epoch.
    """

    name: str
    source: str
    seen: float
    platforms: dict[str, str] = field(default_factory=dict)
    deleted: bool = False


class Memory:
    """Announced devices by the topic of their discovery."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._devices: dict[str, Announced] = {}
        self._written = ""

    def load(self) -> None:
        """What was announced before; a file that is damaged is begun anew. Blocking."""
        if self._file is None or not self._file.exists():
            return
        try:
            found = json.loads(self._file.read_text("utf-8"))
            self._devices = {topic: Announced(**about) for topic, about in found.items()}
        except (OSError, ValueError, TypeError, AttributeError) as exc:
            _log.warning("announced devices are not remembered", extra={"reason": str(exc)})

    def __iter__(self) -> Iterator[tuple[str, Announced]]:
        return iter(list(self._devices.items()))

    def get(self, topic: str) -> Announced | None:
        """What was announced at a topic."""
        return self._devices.get(topic)

    def put(self, topic: str, device: Announced) -> None:
        """It is announced."""
        self._devices[topic] = device

    def drop(self, topic: str) -> None:
        """It is taken back."""
        self._devices.pop(topic, None)

    def save(self) -> None:
        """Onto the disk where it changed. Blocking; a disk that refuses is said, no more."""
        text = json.dumps({topic: asdict(device) for topic, device in self._devices.items()})
        if self._file is None or text == self._written:
            return
        partial = self._file.with_name(self._file.name + ".part")
        try:
            partial.write_text(text, "utf-8")
            partial.rename(self._file)
        except OSError as exc:
            _log.warning("announced devices are not kept", extra={"reason": exc.strerror})
        else:
            self._written = text
