"""A data folder that one Towline holds alone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from towline.errors import StoreError


def is_read_only(folder: Path) -> bool:
    """Whether the disk of a folder takes no writes: so a worn memory card ends."""
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), None)
    return there is not None and bool(os.statvfs(there).f_flag & os.ST_RDONLY)


def take(folder: Path) -> int:
    """Make the folder and hold it alone, until the descriptor is closed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "towline.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as exc:
        raise StoreError(f"cannot use the data folder {folder}: {exc.strerror}") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        raise StoreError(f"another Towline uses the data folder {folder}") from exc
    return lock
