"""The records on disk: NDJSON files named by start time, closed ones compressed."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from towline.pipeline.encode import Decoder
from towline.record import Record
from towline.store import codec, rewrite
from towline.store.segment import Facts, Segment

_log = logging.getLogger(__name__)


class Files:
    """The files of a store's folder, oldest first; the last may be open for appending.

    `wrote` is told of every byte that the disk had to take. `changing` is held by whoever removes
    closed files or writes them anew. The open file is `suspect` once a sync of it has failed: the
    kernel may have thrown away what it could not write, and says so only once.
    """

    def __init__(
        self, folder: Path, decode: Decoder, wrote: Callable[[str, int], None] = lambda *_: None
    ) -> None:
        self.folder = folder
        self.changing = asyncio.Lock()
        self.suspect = False
        self._decode = decode
        self._wrote = wrote
        self._sound = 0
        self.max_file_size = 10_000_000
        self.compression = "zstd"
        self.segments: list[Segment] = []
        self._fd = -1
        self._rolling = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self.segments)

    def append(self, records: list[Record]) -> None:
        """Write records at once; an `OSError` leaves no half row behind."""
        if self.suspect:
            raise OSError(errno.EIO, "a sync failed, what was written is in doubt")
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
        self._wrote("records", len(blob))
        segment.facts.add(records)
        if segment.size >= self.max_file_size and not self._rolling:
            self._rolling = True  # now: many pieces may be written before the task's turn comes
            self._later(self._roll_synced())

    def _begin(self, offset: int) -> None:
        now = datetime.now(UTC)
        name = f"{now:%Y-%m-%dT%H-%M-%S}.{now.microsecond // 1000:03d}Z-{offset:016x}.ndjson"
        segment = Segment(self.folder / name, offset)
        self._open(segment, os.O_CREAT | os.O_EXCL)
        self._sound = 0
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
            self._sound = plain[-1].size
            plain.pop().index.unlink(missing_ok=True)  # it would soon be wrong
        if self.compression != "none":
            for segment in plain:
                self._close_soon(segment)

    async def sync(self) -> None:
        """Bring what was appended so far onto the disk; an `OSError` makes the file suspect."""
        if self._fd < 0:
            return
        segment, size, descriptor = self.segments[-1], self.segments[-1].size, os.dup(self._fd)
        try:
            await asyncio.to_thread(os.fdatasync, descriptor)
        except OSError:
            self.suspect = self.is_open(segment)
            raise
        finally:
            os.close(descriptor)
        if self.is_open(segment):
            self._sound = max(self._sound, size)

    def _sync_now(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError:
            self.suspect = True
            raise

    async def distrust(self) -> int:
        """Close the suspect file at its last good sync; return the offset it still reaches.

        Nothing that was synced before is in doubt. An `OSError` leaves the file suspect.
        """
        segment = self.segments[-1]
        facts = await asyncio.to_thread(self._cut, segment, self._sound)
        os.close(self._fd)
        self._fd = -1
        segment.facts, segment.size, self.suspect = facts, self._sound, False
        if facts.count:
            self._close_soon(segment)
            return facts.last + 1
        self.remove(segment)
        return segment.first

    def _cut(self, segment: Segment, size: int) -> Facts:
        os.truncate(segment.path, size)
        left = Segment(segment.path, segment.first, size)
        left.scan(self._decode, to_damage=True)
        return left.facts

    async def _roll_synced(self) -> None:
        """Sync in a thread first: then little is left for the loop to wait for.

        A file must be on disk before the next one is begun, or a power cut could leave a hole.
        """
        self._rolling = True
        segment = self.segments[-1]
        try:
            await self.sync()
            if self.is_open(segment):
                self.roll()
        except OSError as exc:
            _log.warning("a full file cannot be closed", extra={"reason": exc.strerror})
        finally:
            self._rolling = False

    def roll(self) -> None:
        """Close the open file; it is compressed in a thread while the next one fills."""
        if self._fd >= 0 and not self.suspect:
            self._sync_now()
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
            if segment.facts.blocks is not None:
                text = segment.facts.as_text()
                self._wrote("index", len(text))
                await asyncio.to_thread(segment.index.write_text, text)
            path = await asyncio.to_thread(codec.close, segment.path, self.compression)
            size = path.stat().st_size
        except OSError as exc:
            _log.warning(
                "a full file stays uncompressed",
                extra={"file": segment.path.name, "reason": str(exc)},
            )
        else:
            self._wrote("compression", size if path != segment.path else 0)
            segment.path, segment.size = path, size

    def close_again(self) -> None:
        """Compress what a disk that refused has left plain."""
        if self.compression != "none" and not self._tasks:
            for segment in self.segments:
                if segment.path.suffix == ".ndjson" and not self.is_open(segment):
                    self._close_soon(segment)

    async def settle(self) -> None:
        """Wait for files that are being closed or compressed."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def without(self, segment: Segment, goes: Callable[[Record], bool]) -> int:
        """Write a closed file anew without the records that go; return how many went."""
        before = segment.facts.count
        facts = await asyncio.to_thread(rewrite.without, segment, goes, self._decode)
        if facts is None:
            self.remove(segment)
            return before
        if facts is segment.facts:
            return 0
        segment.facts, segment.size = facts, segment.current().stat().st_size
        self._wrote("retention", segment.size)
        return before - facts.count

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
            try:
                if self.suspect:  # the next start must not take it for sound
                    os.ftruncate(self._fd, self._sound)
                self._sync_now()
            finally:
                os.close(self._fd)
                self._fd = -1
