"""What one load may ask of the files around it. It reads nothing by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

Read = Callable[[Path], bytes | None]
"""What is in a file, None where there is none; `ConfigError` where it cannot be read."""


@runtime_checkable
class Folders(Protocol):
    """A reader of real files, which also knows folders, links and who else may read."""

    def names(self, folder: Path) -> list[str] | None:
        """Names of the YAML files in a folder, sorted; None where there is no such folder."""

    def real(self, path: Path) -> Path:
        """The path without links."""

    def is_open(self, path: Path) -> bool:
        """Whether everybody on this machine may read a file."""


def nothing(_: Path) -> None:
    """A reader for text that stands alone."""


def names(read: Read, folder: Path) -> list[str] | None:
    """Names of the YAML files in a folder; None where there is none, or none can be had."""
    folders = _folders(read)
    return folders.names(folder) if folders else None


def real(read: Read, path: Path) -> Path:
    """The path without links, as far as the reader knows of any."""
    folders = _folders(read)
    return folders.real(path) if folders else path


def is_open(read: Read, path: Path) -> bool:
    """Whether everybody on this machine may read a file."""
    folders = _folders(read)
    return bool(folders and folders.is_open(path))


def _folders(read: object) -> Folders | None:
    return read if isinstance(read, Folders) else None
