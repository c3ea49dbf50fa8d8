"""How far each backend has got, and whether a person has paused it: one small file per backend.

It is written in place at every commit.

A write of a few bytes within one sector is not torn by a kill, and the kernel coalesces them, so
an SD card sees a write every few seconds however often a cursor moves.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from towline.trouble import Trouble

_log = logging.getLogger(__name__)
_LONGEST = 200
_PAUSED: Final = "paused"
_RUNNING: Final = "runs  "  # as long: the file is written in place


class Cursors:
    """The offset of the next record to send, by backend name."""

    def __init__(
        self, folder: Path | None, wrote: Callable[[str, int], None] = lambda *_: None
    ) -> None:
        self._folder = folder
        self._wrote = wrote
        self._offsets: dict[str, int] = {}
        self._paused: set[str] = set()
        self._files: dict[str, int] = {}
        self._trouble = Trouble(
            _log, "a cursor cannot be written", "cursors are written again", extra={}
        )
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str) -> int | None:
        """The committed offset, or None for a backend that has none yet."""
        if name not in self._offsets and self._folder is not None:
            with contextlib.suppress(OSError, ValueError):
                offset, _, state = (self._folder / _file(name)).read_text().partition(" ")
                if state.strip() not in ("", _RUNNING.strip(), _PAUSED):
                    return None
                self._offsets[name] = int(offset, 16)
                if state.strip() == _PAUSED:
                    self._paused.add(name)
        return self._offsets.get(name)

    def is_paused(self, name: str) -> bool:
        """Whether a backend is paused, over restarts, until it is resumed."""
        self.get(name)
        return name in self._paused

    def pause(self, name: str, offset: int, *, paused: bool) -> None:
        """Remember that a backend at `offset` is paused, or that it is not any more."""
        (self._paused.add if paused else self._paused.discard)(name)
        self.set(name, offset)

    def set(self, name: str, offset: int) -> None:
        """Commit: everything before `offset` has arrived. Survives a kill at any moment.

        Where the disk refuses, a restart sends again what was sent since; nothing is lost.
        """
        self._offsets[name] = offset
        if self._folder is None:
            return
        try:
            state = _PAUSED if name in self._paused else _RUNNING
            self._write(self._folder / _file(name), name, b"%016x %b\n" % (offset, state.encode()))
        except OSError as exc:
            self._trouble.happened(exc.strerror or str(exc))
        else:
            self._trouble.over()

    def _write(self, path: Path, name: str, text: bytes) -> None:
        if name not in self._files:
            self._files[name] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._wrote("cursors", os.pwrite(self._files[name], text, 0))

    def forget(self, name: str) -> None:
        """Drop a backend's cursor."""
        self._offsets.pop(name, None)
        self._paused.discard(name)
        if name in self._files:
            os.close(self._files.pop(name))
        if self._folder is not None:
            (self._folder / _file(name)).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()


def _file(name: str) -> str:
    text = quote(name, safe="", errors="replace")
    if len(text) > _LONGEST:
        digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()
        text = text[: _LONGEST - len(digest)] + digest
    return text + ".cursor"
