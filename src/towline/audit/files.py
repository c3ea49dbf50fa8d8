"""Where the audit lies: the file that is open, those that were closed, the key and the head."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from towline.audit.chain import Head, faults, head_of, seal
from towline.errors import StoreError

OPEN: Final = "audit.ndjson"
KEY: Final = "audit.key"
HEAD: Final = "audit.head"
_SHORTEST: Final = 32
_CLOSED: Final = "audit-*.ndjson"


def key_of(folder: Path) -> bytes:
    """The key of the seals; made at first, whole or not at all, readable by its owner alone."""
    path = folder / KEY
    if not path.exists():
        fresh = folder / f"{KEY}.new"
        fresh.unlink(missing_ok=True)
        number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    found = path.read_bytes().strip()
    if len(found) < _SHORTEST:
        raise StoreError(f"{path.name} holds no key: put it back, or take it away for a new one")
    return found


def closed(folder: Path) -> list[Path]:
    """Files that are full, the oldest first."""
    return sorted(folder.glob(_CLOSED))


def closed_name(first: int) -> str:
    """The name of a full file that begins with an entry; names are in the order of entries."""
    return f"audit-{first:012d}.ndjson"


def lines(folder: Path) -> Iterator[bytes]:
    """Every line there is, oldest first. Blocking."""
    for path in [*closed(folder), folder / OPEN]:
        with suppress(FileNotFoundError):
            yield from path.read_bytes().splitlines()


def head_line(key: bytes, head: Head) -> bytes:
    """The head as it is kept beside the files, of one length."""
    body = f"{head.n:016d} {head.mac}".encode()
    return body + b" " + seal(key, body).encode() + b"\n"


def read_head(folder: Path, key: bytes) -> Head | None:
    """The head that was kept; None where it is missing or not ours."""
    try:
        number, mac, own = (folder / HEAD).read_bytes().decode().split()
    except (OSError, ValueError):
        return None
    found = Head(int(number), mac) if number.isascii() and number.isdigit() else None
    return found if found and head_line(key, found).decode().split()[2] == own else None


def verified(folder: Path, wanted: Head | None = None) -> tuple[int, int, list[str]]:
    """The first and the last entry, and every fault. Blocking; `OSError` without a key.

    `wanted` is a head that was kept elsewhere: that entry must be there.
    """
    key = (folder / KEY).read_bytes().strip()
    kept = read_head(folder, key)  # before the rows: a Towline that runs adds to them
    rows = list(lines(folder))
    found = list(faults(key, rows))
    present = _numbers(rows)
    first, last = (min(present), max(present)) if present else (0, 0)
    if kept is None and rows:
        found.append(f"{HEAD} is missing or was changed: whether entries were cut off is not known")
    for head, where in ((kept, HEAD), (wanted, "the head that was given")):
        if head and head.n > last:
            found.append(f"entries {last + 1} to {head.n} are missing at the end ({where})")
        elif head and head.n and head.n in present and present[head.n] != head.mac:
            found.append(f"entry {head.n} is another one than {where} says")
    return first, last, found


def _numbers(rows: list[bytes]) -> dict[int, str]:
    found = {}
    for row in rows:
        with suppress(ValueError):
            head = head_of(row)
            found[head.n] = head.mac
    return found
