"""The records on disk: NDJSON files named by start time, closed ones compressed."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from towline.record import Record
from towline.store import codec
from towline.store.segment import Segment

_log = logging.getLogger(__name__)


class Files:
    """The files of a store's folder, oldest first; the last may be open for appending.

    `written` counts bytes since the start: what an SD card had to take.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.max_file_size = 10_000_000
        self.compression = "zstd"
        self.segments: list[Segment] = []
        self.written = 0
        self._fd = -1
        self._rolling = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self.segments)

    def append(self, records: list[Record]) -> None:
        """Write records at once; an `OSError` leaves no half row behind."""
        if self._fd < 0:
            self._begin(records[0].offset)
        segment = self.segments[-1]
        if not segment.facts.count:
            segment.first = records[0].offset
        blob = b"\n".join([record.json for record in records]) + b"\n"
        try:
            view = memoryview(blob)
            while view:  # a full disk writes short before it fails
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, segment.size)
            raise
        segment.size += len(blob)
        self.written += len(blob)
        segment.facts.add(records)
        if segment.size >= self.max_file_size and not self._rolling:
            self._later(self._roll_synced(self._fd))

    def _begin(self, offset: int) -> None:
        now = datetime.now(UTC)
        name = f"{now:%Y-%m-%dT%H-%M-%S}.{now.microsecond // 1000:03d}Z-{offset:016x}.ndjson"
        segment = Segment(self.folder / name, offset)
        self._open(segment, os.O_CREAT | os.O_EXCL)
        self.segments.append(segment)

    def _open(self, segment: Segment, flags: int = 0) -> None:
        flags |= os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(segment.path, flags, 0o640)

    def resume(self) -> None:
        """Go on writing the last file of an earlier run if it is still plain and has room.

        Plain files before it were being closed when that run ended: they are closed now.
        """
        plain = [segment for segment in self.segments if segment.path.suffix == ".ndjson"]
        if plain and plain[-1] is self.segments[-1] and plain[-1].size < self.max_file_size:
            self._open(plain[-1])
            plain.pop().index.unlink(missing_ok=True)  # it would soon be wrong
        if self.compression != "none":
            for segment in plain:
                self._close_soon(segment)

    def descriptor(self) -> int:
        """A copy of the open file's descriptor, for syncing in a thread; -1 when none is open."""
        return os.dup(self._fd) if self._fd >= 0 else -1

    async def _roll_synced(self, fd: int) -> None:
        """Sync in a thread first: then little is left for the loop to wait for.

        A file must be on disk before the next one is begun, or a power cut could leave a hole.
        """
        self._rolling = True
        try:
            await asyncio.to_thread(os.fdatasync, fd)
            if fd == self._fd:
                self.roll()
        except OSError as exc:
            _log.warning("a full file cannot be closed", extra={"reason": exc.strerror})
        finally:
            self._rolling = False

    def roll(self) -> None:
        """Close the open file; it is compressed in a thread while the next one fills."""
        if self._fd >= 0:
            os.fdatasync(self._fd)
            os.close(self._fd)
            self._fd = -1
            self._close_soon(self.segments[-1])

    def _close_soon(self, segment: Segment) -> None:
        self._later(self._close(segment))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, segment: Segment) -> None:
        try:
            await asyncio.to_thread(segment.index.write_text, segment.facts.as_text())
            path = await asyncio.to_thread(codec.close, segment.path, self.compression)
            size = path.stat().st_size
        except OSError as exc:
            _log.warning(
                "a full file stays uncompressed",
                extra={"file": segment.path.name, "reason": str(exc)},
            )
        else:
            segment.path, segment.size = path, size

    async def settle(self) -> None:
        """Wait for files that are being closed or compressed."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def remove(self, segment: Segment) -> None:
        """Delete a closed file."""
        self.segments.remove(segment)
        segment.current().unlink(missing_ok=True)
        segment.index.unlink(missing_ok=True)

    def is_open(self, segment: Segment) -> bool:
        """Whether this is the file that records are appended to."""
        return self._fd >= 0 and segment is self.segments[-1]

    def release(self) -> None:
        """Sync and close the open file; the next start goes on with it."""
        if self._fd >= 0:
            os.fdatasync(self._fd)
            os.close(self._fd)
            self._fd = -1
