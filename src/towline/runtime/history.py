"""What was done to the configuration: who, when, how it ended; and the texts that were replaced."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

KEPT: Final = 50
"""Entries and texts that are kept."""


class History:
    """The newest entries, in memory and in one file; without a folder in memory only.

    Replaced texts are readable by their owner only: they may hold what should have been a secret.
    """

    def __init__(self, folder: Path | None, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._entries: list[dict[str, Any]] = []
        if folder is not None and self._file.exists():
            for row in self._file.read_text().splitlines()[-KEPT:]:
                try:
                    self._entries.append(json.loads(row))
                except ValueError:
                    continue  # torn by a power cut: the entries before and after it are whole

    @property
    def _file(self) -> Path:
        assert self._folder is not None
        return self._folder / "history.ndjson"

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What happened, newest first: `at` in milliseconds, `actor`, `outcome`, details."""
        return self._entries[::-1]

    def add(self, actor: str, outcome: dict[str, Any]) -> None:
        """Remember one attempt; `save` writes it down."""
        entry = {"at": round(self._clock() * 1000), "actor": actor, **outcome}
        self._entries = [*self._entries, entry][-KEPT:]

    def save(self) -> None:
        """Write the entries down; `OSError` when the disk does not take them."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_text(self._file, "".join(f"{json.dumps(e)}\n" for e in self._entries).encode())

    def keep(self, text: bytes) -> None:
        """Keep a text that is about to be replaced."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        at = datetime.fromtimestamp(self._clock(), UTC)
        stamp = f"{at:%Y-%m-%dT%H-%M-%S}.{at.microsecond:06d}Z"
        replace_text(self._folder / f"{stamp}.yaml", text)
        for old in sorted(self._folder.glob("*.yaml"))[:-KEPT]:
            old.unlink()


def replace_text(path: Path, text: bytes, mode: int = 0o600) -> None:
    """Put a text in a file's place, whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
