"""Follows text files: what is appended, also over rotation; not over a restart of Towline."""

from __future__ import annotations

import asyncio
import glob
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from towline.sources.filetail import FileTail

from towline.config.settings import Device
from towline.ports import Emit
from towline.record import Line, Origin, OriginType, time_text
from towline.status import Health

CHUNK: Final = 1 << 20
"""Bytes read of one file at a time; a line of more comes in pieces."""


class Tail:
    """One open file; `seq` is the number of its last line. Blocking: for a thread."""

    def __init__(self, path: str, *, from_end: bool) -> None:
        self._file = Path(path).open("rb")  # noqa: SIM115 - closed by `close`
        self._rest = b""
        self.seq = 0
        if from_end:
            self._file.seek(0, os.SEEK_END)

    @property
    def inode(self) -> int:
        """What tells a file from the one that took its name."""
        return os.fstat(self._file.fileno()).st_ino

    def rows(self) -> list[bytes]:
        """The next lines, without their ends; none when nothing new is there."""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)  # it was cut off, and is written anew
            self._rest = b""
        chunk = self._file.read(CHUNK)
        *rows, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > CHUNK:
            rows, self._rest = [*rows, self._rest], b""
        return rows

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class FileTailSource:
    """Looks at the files again and again; each is an origin of its own."""

    def __init__(self, name: str, config: FileTail, device: Device) -> None:
        self.health = Health()
        self._name = name
        self._config = config
        self._device = device
        self._tails: dict[str, Tail] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"files of {name}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._thread.shutdown(cancel_futures=True)  # waits for one look: it has the files
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()
        self.health.stopped()

    async def run(self, emit: Emit) -> None:
        """Until cancelled. What is there at the beginning is old; what comes is read whole."""
        loop = asyncio.get_running_loop()
        from_end = True
        while True:
            found = await loop.run_in_executor(self._thread, self._look, from_end)
            from_end = False
            if self._tails:
                self.health.up()
            else:
                self.health.degraded(f"there is no file {' or '.join(self._config.files)}")
            for path, rows, seq in found:
                self.health.counters["lines"] += len(rows)
                emit(self._origin(path), [_line(row, seq + n) for n, row in enumerate(rows, 1)])
            await asyncio.sleep(0 if found else self._config.interval)

    def _look(self, from_end: bool) -> list[tuple[str, list[bytes], int]]:
        """New lines by file, with the number of the line before them. Blocking."""
        paths = {path for pattern in self._config.files for path in glob.glob(pattern)}
        found = []
        for path in sorted(paths | self._tails.keys()):
            with suppress(OSError):  # gone meanwhile, or not ours to read: looked at again
                tail = self._tails.get(path) or self._opened(path, from_end)
                if rows := tail.rows():
                    found.append((path, rows, tail.seq))
                    tail.seq += len(rows)
                else:
                    self._leave_if_rotated(path, tail)
        return found

    def _opened(self, path: str, from_end: bool) -> Tail:
        tail = self._tails[path] = Tail(path, from_end=from_end)
        return tail

    def _leave_if_rotated(self, path: str, tail: Tail) -> None:
        """Leave a file that is read and has lost its name: the next look opens the new one."""
        try:
            rotated = Path(path).stat().st_ino != tail.inode
        except FileNotFoundError:
            rotated = True
        if rotated:
            self._tails.pop(path).close()

    def _origin(self, path: str) -> Origin:
        return Origin(
            type=OriginType.HOST,
            name=path,
            device=self._device.id,
            service=Path(path).stem,
            source=self._name,
        )


def _line(row: bytes, seq: int) -> Line:
    now = time.time_ns()
    text = row.decode("utf-8", "replace").removesuffix("\r")
    return Line(text=text, time=time_text(now), timestamp=now // 1_000_000, seq=seq)
