"""Reading the files of a configuration, and remembering what was read."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from towline.config.text import MOST_BYTES
from towline.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one content from another."""

    digest: bytes
    size: int

    @classmethod
    def of(cls, data: bytes) -> Fingerprint:
        """The fingerprint of a content."""
        return cls(sha256(data).digest(), len(data))


Seen = Mapping[Path, Fingerprint | None]
"""What was in each file that was asked for; None: it was not there."""


class Files:
    """Reads files for one load. `seen` is what the watcher compares the folders with."""

    def __init__(self) -> None:
        self._seen: dict[Path, Fingerprint | None] = {}

    @property
    def seen(self) -> Seen:
        """Every file that was asked for, by absolute path, missing ones too."""
        return self._seen

    def read(self, path: Path) -> bytes | None:
        """A file's content, None when there is none; `ConfigError` when it cannot be read."""
        known = path.absolute()
        self._seen[known] = None
        try:
            data = content(known)
        except FileNotFoundError:
            return None
        except OSError as exc:
            text = f"the file cannot be read: {exc.strerror or exc}"
            raise ConfigError([Problem(code="unreadable", text=text, file=str(path))]) from exc
        self._seen[known] = Fingerprint.of(data)
        return data


def content(path: Path) -> bytes:
    """What is in a regular file, one byte more than is allowed at most; `OSError` otherwise.

    Anything else (a folder, a pipe that would never end) is refused before it is opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not a regular file")
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)
