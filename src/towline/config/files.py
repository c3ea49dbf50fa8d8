"""Reading the files of a configuration, and remembering what was read."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from towline.config.text import MOST_BYTES
from towline.errors import ConfigError, Problem

EVERY: Final = "*.yaml"
"""As a file's name: the names of all YAML files in its folder."""

MOST_NAMES: Final = 1000


@dataclass(frozen=True, slots=True)
class Content:
    """What was in a file, and which one that was; not shown, for it may hold secrets."""

    data: bytes = field(repr=False)
    inode: int = 0

    def may_become(self, data: bytes) -> bool:
        """Whether another content looks as if it was still being written: it ends too early.

        Half of the size is gone, what is left is the beginning of this, or the last line is cut.
        Most beginnings of a YAML file are valid YAML.
        """
        return (
            len(data) * 2 <= len(self.data)
            or (len(data) < len(self.data) and self.data.startswith(data))
            or (self.data.endswith(b"\n") and not data.endswith(b"\n"))
        )


Seen = Mapping[Path, Content | None]
"""What was in each file that was asked for; None: it was not there."""


class Files:
    """Reads files for one load. `seen` is what the watcher compares the folders with."""

    def __init__(self) -> None:
        self._seen: dict[Path, Content | None] = {}

    @property
    def seen(self) -> Seen:
        """Every file that was asked for, by absolute path, missing ones too."""
        return self._seen

    def __call__(self, path: Path) -> bytes | None:
        """The same as `read`."""
        return self.read(path)

    def read(self, path: Path) -> bytes | None:
        """A file's content, None when there is none; `ConfigError` when it cannot be read."""
        known = path.absolute()
        self._seen[known] = None
        try:
            data = content(known)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else None
            text = f"the file cannot be read: {reason or exc}"
            raise ConfigError([Problem(code="unreadable", text=text, file=str(path))]) from exc
        self._seen[known] = Content(data, inode(known))
        return data

    def names(self, folder: Path) -> list[str] | None:
        """Names of the YAML files in a folder, sorted; None where there is no such folder."""
        listed = self.read(folder / EVERY)
        return None if listed is None else [name for name in listed.decode().split("\0") if name]

    def real(self, path: Path) -> Path:
        """The path without links."""
        return Path(os.path.realpath(path))

    def is_open(self, path: Path) -> bool:
        """Whether everybody on this machine may read a file."""
        try:
            return bool(path.stat().st_mode & stat.S_IROTH)
        except OSError:
            return False


def content(path: Path) -> bytes:
    """What is in a regular file, one byte more than is allowed at most; `OSError` otherwise.

    Anything else (a folder, a pipe that would never end) is refused before it is opened. Of
    `folder/*.yaml` it is the names in that folder.
    """
    if path.name == EVERY:
        return "\0".join(_names(path.parent)).encode()
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not a regular file")
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def inode(path: Path) -> int:
    """The number of a file; 0 where there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def is_being_written(path: Path) -> bool | None:
    """Whether a program of this machine has a file open for writing; None where nobody can tell.

    The kernel grants a read lease only while there is none. It is given back at once, and a writer
    who comes in between waits for that.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # the notice that somebody waits: SIGIO would end the process
        fcntl.fcntl(number, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(number, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as exc:
        return True if exc.errno == errno.EAGAIN else None
    finally:
        os.close(number)
    return False


def _names(folder: Path) -> list[str]:
    """Names that are no UTF-8 and those that begin with a dot are passed over."""
    found = sorted(name for name in os.listdir(folder) if _is_shown(name))
    if len(found) > MOST_NAMES:
        raise OSError(f"more than {MOST_NAMES} files in one folder")
    return found


def _is_shown(name: str) -> bool:
    return name.endswith(".yaml") and not name.startswith(".") and name.isprintable()


def disk_size(path: Path) -> int | None:
    """How much the disk of a folder holds in all, in bytes; None where nobody can tell."""
    for folder in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(folder).total
        except FileNotFoundError:
            continue
        except OSError:
            break
    return None


def replace(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Put another content in a file's place at once: a reader sees the old or the new one.

    Through a link: what it points to is replaced, the link stays. Its rights are kept.
    """
    target = Path(os.path.realpath(path))
    try:
        before = target.stat()
    except FileNotFoundError:
        before = None
    if mode is None:
        mode = stat.S_IMODE(before.st_mode) if before else 0o600
    number, new = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(number, "wb") as file:
            file.write(data)
            os.fchmod(number, mode)
            if before and os.geteuid() == 0:
                os.fchown(number, before.st_uid, before.st_gid)
            file.flush()
            os.fsync(number)
        os.replace(new, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(new)
        raise
