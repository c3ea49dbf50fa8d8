"""The audit as the program writes it: one line per thing that somebody did."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from towline.audit.chain import NOBODY, Head, entry, head_of
from towline.audit.files import HEAD, OPEN, closed, closed_name, head_line, key_of, lines
from towline.errors import StoreError
from towline.record import time_text
from towline.trouble import Trouble

_log = logging.getLogger(__name__)

LARGEST: Final = 1_000_000
"""Bytes of a file; then the next one begins."""

MOST_FILES: Final = 20
"""Full files that are kept; the oldest goes."""

MOST_WAITING: Final = 1000
"""Entries that wait for a disk that refuses them."""

LONGEST: Final = 500
_LONGEST_DIFF: Final = 4000
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Trail:
    """Appends entries; what the disk refuses waits and is written with the next one.

    Entries are in the file when `put` returns and on the disk soon after. Without a folder they
    are kept in memory alone. `counters`: `written`, `waiting`, `lost`.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        clock: Callable[[], int] = time.time_ns,
        largest: int = LARGEST,
        most_files: int = MOST_FILES,
    ) -> None:
        self.head = NOBODY
        self.counters: Counter[str] = Counter()
        self._folder = folder
        self._clock = clock
        self._largest = largest
        self._most_files = most_files
        self._key = b""
        self._file = self._head_file = -1
        self._size = 0
        self._first = 1
        self._waiting: deque[dict[str, Any]] = deque()
        self._memory: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._syncing: asyncio.Future[None] | None = None
        self._unsynced = False
        self._trouble = Trouble(
            _log, "audit not written", "audit is written again", extra={"component": "audit"}
        )

    async def __aenter__(self) -> Self:
        if self._folder is not None:
            try:
                await asyncio.to_thread(self._open, self._folder)
            except OSError as exc:
                raise StoreError(f"the audit cannot be opened: {exc}") from exc
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._syncing:
            await asyncio.wait([self._syncing])
        if self._file >= 0:
            await asyncio.to_thread(self._close)

    def _open(self, folder: Path) -> None:
        self._key = key_of(folder)
        cut = self._open_file(folder)
        flags = os.O_WRONLY | os.O_CREAT
        self._head_file = os.open(folder / HEAD, flags, 0o600)
        if cut:
            self.put("towline", "repair", OPEN, diff={"bytes": cut})

    def _open_file(self, folder: Path) -> int:
        """Go on after the last whole line; how many bytes of a torn one were cut off."""
        path = folder / OPEN
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        held = path.read_bytes()
        whole = held.rfind(b"\n") + 1
        if whole < len(held):
            os.ftruncate(self._file, whole)
        self._size = whole
        self.head = _last(lines(folder))
        with suppress(ValueError):
            self._first = head_of(held[:whole].split(b"\n", 1)[0]).n
        return len(held) - whole

    def _close(self) -> None:
        with suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)
        os.close(self._head_file)
        self._file = -1

    def put(
        self, actor: str, action: str, target: str, *, ip: str = "", diff: object = None
    ) -> None:
        """One entry: who did what to what. `diff` tells more and holds no secret."""
        texts = {"actor": actor, "ip": ip, "action": action, "target": target}
        about: dict[str, Any] = {"ts": time_text(self._clock())}
        about |= {key: text[:LONGEST] for key, text in texts.items()}
        if diff is not None:
            octets = _encode(diff)
            about["diff"] = (
                msgspec.Raw(octets) if len(octets) <= _LONGEST_DIFF else {"cut": len(octets)}
            )
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.counters["lost"] += 1
        self._waiting.append(about)
        try:
            while self._waiting:
                self._write(self._waiting[0])
                self._waiting.popleft()
        except OSError as exc:
            self._trouble.happened(exc.strerror or str(exc))
        else:
            self._trouble.over()
        self.counters["waiting"] = len(self._waiting)

    def _write(self, about: dict[str, Any]) -> None:
        line, head = entry(self._key, self.head, about)
        if self._folder is None:
            self._memory.append(line.rstrip())
        elif self._file >= 0:
            self._append(self._folder, line)
        self.head = head
        self.counters["written"] += 1
        if self._head_file >= 0:
            with suppress(OSError):  # it stands in the file: verifying says that the head is old
                os.pwrite(self._head_file, head_line(self._key, head), 0)
            self._sync_soon()

    def _append(self, folder: Path, line: bytes) -> None:
        if self._size + len(line) > self._largest and self._size:
            self._turn(folder)
        written = os.write(self._file, line)
        if written < len(line):  # the disk is full: no half an entry stays
            os.ftruncate(self._file, self._size)
            raise OSError(28, "no space left on device")
        self._size += written

    def _turn(self, folder: Path) -> None:
        """Close the file that is full and begin another one."""
        os.rename(folder / OPEN, folder / closed_name(self._first))
        old, self._file = (
            self._file,
            os.open(folder / OPEN, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600),
        )
        os.fsync(old)
        os.close(old)
        self._size, self._first = 0, self.head.n + 1
        for path in closed(folder)[: -self._most_files]:
            path.unlink()

    def _sync_soon(self) -> None:
        """Have it on the disk, without waiting for that."""
        if self._syncing is not None:
            self._unsynced = True
            return
        with suppress(RuntimeError):  # no loop runs: closing syncs
            loop = asyncio.get_running_loop()
            self._syncing = loop.run_in_executor(None, _sync, os.dup(self._file))
            self._syncing.add_done_callback(self._synced)

    def _synced(self, _: asyncio.Future[None]) -> None:
        self._syncing = None
        if self._unsynced and self._file >= 0:
            self._unsynced = False
            self._sync_soon()

    async def page(self, limit: int, before: int | None = None) -> tuple[list[bytes], int | None]:
        """Entries as JSON, newest first, and the number to go on `before`; None at the end."""
        return await asyncio.to_thread(self._page, limit, before)

    def _page(self, limit: int, before: int | None) -> tuple[list[bytes], int | None]:
        rows = list(self._memory) if self._folder is None else list(lines(self._folder))
        found: list[bytes] = []
        last = 0
        for row in reversed(rows):
            if len(found) >= limit:
                return found, last
            with suppress(ValueError):
                n = head_of(row).n
                if before is None or n < before:
                    found.append(row)
                    last = n
        return found, None


def _sync(number: int) -> None:
    try:
        with suppress(OSError):
            os.fsync(number)
    finally:
        os.close(number)


def _last(rows: Any) -> Head:
    found = NOBODY
    for row in rows:
        with suppress(ValueError):
            found = head_of(row)
    return found
