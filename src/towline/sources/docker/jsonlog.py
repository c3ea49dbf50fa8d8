"""The json files of one container, read on from wherever the rows taken last are found in them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from towline.errors import SourceError
from towline.sources.docker.align import Aligner
from towline.sources.docker.catchup import DAMAGED, GONE, CatchUp
from towline.sources.docker.generations import (
    Generation,
    Identity,
    close_all,
    identity,
    open_all,
    open_newer,
)
from towline.sources.docker.jsonrows import Entry, JsonRows, rows_of

CHUNK: Final = 1 << 18
"""Bytes that are handled at a time: a few milliseconds of the loop."""

NEAR: Final = 1 << 18
"""Bytes up to which a file is read in the loop itself: just written, they are in memory."""

WINDOWS: Final = (1 << 17, 1 << 22)
"""Bytes at the end in which the rows taken last are looked for; then in all there is."""

RENAMING: Final = 50
"""Hundredths of a second that Docker has for giving the log's name to a new file."""

CUT: Final = "Docker's log was cut off from outside"
_MARK: Final = 64


class FilesAway(SourceError):
    """The files cannot be read (any more): the API may."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where row `seq` ends: so many bytes into a file, and the bytes before that."""

    identity: Identity
    offset: int
    mark: bytes
    seq: int


class JsonLog:
    """Reads entries into `catch_up`. `capacity`: bytes at which Docker begins anew, 0 for never.

    Every file that is noticed stays open until it is read, whatever becomes of its name.
    """

    def __init__(self, path: Path, catch_up: CatchUp, *, capacity: int = 0) -> None:
        self.path = path
        self.capacity = capacity
        self._catch_up = catch_up
        self._opened: list[Generation] = []
        self._at = 0
        self._cut = JsonRows()
        self._mark = b""
        self._place: Place | None = None
        self._reading: asyncio.Future[bytes] | None = None
        self._begin = ""
        self._settled = True

    @property
    def number(self) -> int:
        """The number of the open file that is written."""
        return self._opened[-1].number

    def has_more(self) -> bool:
        """Whether there is something to read by now."""
        newest = self._opened[-1]
        if newest.size != newest.offset:
            return True
        now = identity(self.path)
        return now != newest.identity and (now is not None or newest.linked)

    async def join(self) -> None:
        """Find where to go on; `FilesAway` where the files cannot be opened."""
        position = self._catch_up.position
        position.begin()
        self._begin = ""
        try:
            if self._back_in_place():
                return
            self._opened = open_all(self.path)
            self._start(0, 0)
            self._settled = False
            if position.trail:
                await self._find()
            else:
                position.seek()
                self._begin = position.begins_at()
        except OSError as exc:
            raise FilesAway(f"{self.path.name}: {exc.strerror or exc}") from exc

    def _back_in_place(self) -> bool:
        """Whether the file that was read last is still the one that is written."""
        place, self._place = self._place, None
        if place is None or place.seq != self._catch_up.position.seq:
            return False
        file = Generation(self.path)
        if file.identity == place.identity and file.size >= place.offset:
            file.seek(place.offset)
            if file.before(len(place.mark)) == place.mark:
                self._opened = [file]
                self._at, self._cut, self._mark = 0, JsonRows(), place.mark
                return True
        file.close()
        return False

    def _start(self, at: int, offset: int) -> None:
        """Begin to read the files from one of them on."""
        self._at, self._cut, self._mark = at, JsonRows(), b""
        for index, file in enumerate(self._opened):
            file.seek(offset if index == at else 0)

    async def _find(self) -> None:
        """Read on behind the rows taken last; say a gap where they are not there."""
        trail = self._catch_up.position.trail
        aligner = Aligner(trail.rows(), run=trail.run)
        for window in (*WINDOWS, None):
            whole = self._rewind(window)
            aligner = Aligner(trail.rows(), run=trail.run, cut=not whole)
            if await self._pass(aligner):
                return
            if whole:
                break
        context = trail.until(aligner.overlap) if aligner.overlap is not None else ()
        if len(context) < len(trail.rows()) and not self._catch_up.position.seek():
            self._catch_up.say_gap(GONE)
        self._start(0, 0)
        await self._pass(Aligner(context))

    def _rewind(self, window: int | None) -> bool:
        """Begin so many bytes before the end; whether that is all there is."""
        if window is not None:
            for at in range(len(self._opened) - 1, -1, -1):
                file = self._opened[at]
                if file.size >= window and not file.packed:
                    self._start(at, file.size - window)
                    return False
                window -= file.size
                if window <= 0:
                    self._start(at, 0)
                    return at == 0
        self._start(0, 0)
        return True

    async def _pass(self, gate: Aligner) -> bool:
        """Read until a gate has opened, which takes what stands behind; False at the end."""
        terminal = self._catch_up.position.terminal
        skip = self._opened[self._at].offset > 0
        while not gate.aligned:
            data = await self._read()
            if not data:
                if self._at + 1 < len(self._opened):
                    self._at, self._cut = self._at + 1, JsonRows()
                    continue
                return False
            if skip:  # the first line is cut
                data, skip = data[data.find(b"\n") + 1 :], False
            rows = rows_of(self._cut.feed(data), terminal)
            self._cut.breaks.clear()
            self._catch_up.take(gate.feed(rows))
        return True

    async def drain(self) -> int:
        """Read all there is; how many bytes that was."""
        taken = 0
        try:
            self._check()
            while True:
                data = await self._read()
                if data:
                    taken += len(data)
                    self._take(data)
                    self._mark = data[-_MARK:]
                    if self._current.size > self._current.offset:
                        self._hold_newer()
                        await asyncio.sleep(0)
                    elif self._at + 1 == len(self._opened) and not await self._newer():
                        break
                elif self._at + 1 < len(self._opened):
                    self._next()
                elif not await self._newer():
                    break
        except OSError as exc:
            raise FilesAway(f"{self.path.name}: {exc.strerror or exc}") from exc
        if not self._settled:
            self._settled = True
            self._catch_up.emit(self._catch_up.position.settle())
        return taken

    @property
    def _current(self) -> Generation:
        return self._opened[self._at]

    async def _read(self) -> bytes:
        file = self._current
        if not file.packed and file.size - file.offset <= NEAR:
            data = file.read(NEAR)
        else:
            loop = asyncio.get_running_loop()
            self._reading = loop.run_in_executor(None, file.read, CHUNK)
            data = await self._reading
        file.offset += len(data)
        return data

    def _take(self, data: bytes) -> None:
        cut, catch_up = self._cut, self._catch_up
        entries: Sequence[Entry] = cut.feed(data)
        if self._begin:
            entries = self._from_beginning(entries)
        if not cut.breaks:
            catch_up.take_entries(entries)
            return
        done, breaks = 0, cut.breaks.copy()
        cut.breaks.clear()
        for at in sorted(set(breaks)):
            catch_up.take_entries(entries[done:at])
            catch_up.say_gap(DAMAGED, lost=breaks.count(at))
            done = at
        catch_up.take_entries(entries[done:])

    def _from_beginning(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Without what is older than anything that is wanted."""
        for index, entry in enumerate(entries):
            if entry.time >= self._begin:
                self._begin = ""
                return entries[index:]
        return ()

    def _next(self) -> None:
        """This file has been rotated away and is read: go on with the one after it."""
        self._cut.rest(torn=self._current.torn)
        self._take(b"")
        read = self._opened[: self._at + 1]
        del self._opened[: self._at + 1]
        close_all(read)
        self._at, self._cut, self._mark = 0, JsonRows(), b""

    def _hold_newer(self) -> None:
        """Open what has come meanwhile, before it is rotated away in its turn."""
        newest = self._opened[-1].identity
        if identity(self.path) not in (None, newest):
            self._opened += open_newer(self.path, newest) or []

    async def _newer(self) -> bool:
        """All that is open is read: whether there is more by now."""
        newest = self._opened[-1]
        now = await self._name_of_the_newest(newest)
        if now is None or now == newest.identity:
            return False
        if found := open_newer(self.path, newest.identity):
            self._opened += found
            return True  # what was written before it was rotated is read first
        if newest.size > newest.offset:
            return True
        await self._join_anew()
        return True

    async def _name_of_the_newest(self, newest: Generation) -> Identity | None:
        """What has the log's name; None where the log is removed: what is open is all there is.

        While Docker rotates nothing has it for a moment. When that lasts, the folder is gone.
        """
        for _ in range(RENAMING):
            if now := identity(self.path):
                return now
            if not newest.linked:
                return None
            await asyncio.sleep(0.01)
        raise FilesAway(f"{self.path}: no such file any more")

    async def _join_anew(self) -> None:
        """The file that was read is not among the others any more: it was packed, or unlinked."""
        self._cut.rest()
        self._take(b"")
        close_all(self._opened)
        self._opened = open_all(self.path)
        self._start(0, 0)
        if len(self._opened) > 1 and self._catch_up.position.trail:
            await self._find()

    def _check(self) -> None:
        """A file can be cut off: by Docker itself, where it keeps only one, or from outside."""
        file = self._current
        if file.packed or not file.offset or not self._mark:
            return
        if file.size >= file.offset and file.before(len(self._mark)) == self._mark:
            return
        if not self.capacity or file.offset < self.capacity:
            self._catch_up.say_gap(CUT)
        self._cut, self._mark = JsonRows(), b""
        file.seek(0)

    def leave(self) -> None:
        """Let go of the files; the place is kept."""
        alone = len(self._opened) == 1 and not self._current.packed
        if alone and self._settled and not self._begin:
            file = self._current
            file.offset -= self._cut.held
            position = self._catch_up.position
            mark = file.before(_MARK)
            self._place = Place(file.identity, file.offset, mark, position.seq)
        opened, self._opened = self._opened, []
        if self._reading is not None and not self._reading.done():
            self._reading.add_done_callback(lambda _: close_all(opened))
        else:
            close_all(opened)
