"""How far each container has been read: written after a sync, never before.

A checkpoint names a row by the fingerprints of the rows up to it. The store's own records tell how
much further it got, so a checkpoint may be old: it costs reading again, never a line.

The file is a log of checkpoints, one JSON object per line; the last valid one of a container
counts. It is written anew when it has grown, and a torn end costs one step back.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import zlib
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from towline.store.tails import Tail

_log = logging.getLogger(__name__)
COMPACT: Final = 4_000_000
"""Bytes at which the log is written anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Row `seq` of one container on one engine.

    `rows` are the CRC-32 of up to 512 rows that end there, oldest first; `since` is the earliest
    time among them (RFC 3339, nanoseconds), so that a reader knows from when to ask. A journal has
    one checkpoint for all that was read of it: `since` is its cursor, which needs no rows.
    """

    engine: str
    container: str
    seq: int
    since: str
    rows: tuple[int, ...]

    def as_line(self) -> bytes:
        """One line of the log, its own checksum in front."""
        rows = base64.b64encode(array("I", self.rows).tobytes()).decode()
        body = json.dumps(
            {
                "engine": self.engine,
                "container": self.container,
                "seq": self.seq,
                "since": self.since,
                "rows": rows,
            },
            separators=(",", ":"),
        ).encode()
        return b"%08x %b\n" % (zlib.crc32(body), body)


def _parse(line: bytes) -> dict[str, Any] | None:
    crc, _, body = line.rstrip(b"\n").partition(b" ")
    with contextlib.suppress(ValueError):
        if int(crc, 16) == zlib.crc32(body):
            found: dict[str, Any] = json.loads(body)
            return found
    return None


class Checkpoints:
    """The checkpoints of all containers, and what the store holds beyond them."""

    def __init__(
        self, path: Path | None, wrote: Callable[[str, int], None] = lambda *_: None
    ) -> None:
        self._path = path
        self._wrote = wrote
        self._known: dict[tuple[str, str], Checkpoint] = {}
        self.covered = 0
        self.tails: dict[str, Tail] = {}
        if path is not None and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        text = path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):  # or the next checkpoint would be glued to what was torn
            os.truncate(path, whole)
        damaged = 0
        for line in text[:whole].splitlines():
            found = _parse(line)
            if found is None:
                damaged += 1
            elif "covered" in found:
                self.covered = found["covered"]
            else:
                rows = array("I", base64.b64decode(found["rows"]))
                point = Checkpoint(
                    engine=found["engine"],
                    container=found["container"],
                    seq=found["seq"],
                    since=found["since"],
                    rows=tuple(rows),
                )
                self._known[point.engine, point.container] = point
        if damaged:  # one may be missing whose records were thought to be covered
            self.covered = 0
            _log.warning("damaged checkpoints", extra={"file": path.name, "rows": damaged})

    def get(self, engine: str, container: str) -> Checkpoint | None:
        """The last checkpoint of a container, if there is one."""
        return self._known.get((engine, container))

    def save(self, points: Iterable[Checkpoint], covered: int) -> None:
        """Add checkpoints; `covered`: containers not among them have no record at or after it."""
        points = list(points)
        if not points and covered == self.covered:
            return
        new = {(point.engine, point.container): point for point in points}
        if self._path is not None:
            self._write(self._path, points, (self._known | new).values(), covered)
        self._known |= new  # in place: `begin` may have added to it meanwhile
        self.covered = covered

    def _write(
        self, path: Path, points: Iterable[Checkpoint], known: Iterable[Checkpoint], covered: int
    ) -> None:
        body = json.dumps({"covered": covered}).encode()
        mark = b"%08x %b\n" % (zlib.crc32(body), body)
        text = b"".join(point.as_line() for point in points) + mark
        if path.exists() and path.stat().st_size + len(text) > COMPACT:
            text = b"".join(point.as_line() for point in known) + mark
            _replace(path, text)
        else:
            _append(path, text)
        self._wrote("checkpoints", len(text))

    def begin(self, point: Checkpoint) -> None:
        """Note where the first read of a container begins, before anything of it is stored.

        Without a sync: a power cut that takes this takes what was stored after it, too.
        """
        self._known[point.engine, point.container] = point
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(point.as_line())

    def learn(self, tails: Mapping[str, Tail]) -> None:
        """Keep what the store's own records tell of containers that can be read on."""
        readable = {container for _, container in self._known}
        self.tails = {key: tail for key, tail in tails.items() if key.partition("/")[0] in readable}

    def hand_over(self, container: str, tail: Tail) -> None:
        """Note for the next reader of a container what the present one has put into the store."""
        self.tails[container] = tail

    def caught_up(self, container: str, seq: int) -> None:
        """The checkpoint at row `seq` is on disk: what the store tells up to it is not needed."""
        tail = self.tails.get(container)
        if tail is not None and tail.seq <= seq:
            del self.tails[container]

    def keep_only(self, engine: str, containers: Collection[str]) -> None:
        """Drop what is known of containers that an engine does not have any more."""
        for of, container in list(self._known):
            if of == engine and container not in containers:
                self.forget(engine, container)

    def forget(self, engine: str, container: str) -> None:
        """Drop a container that is gone for good (from the file when it is next written anew)."""
        self._known.pop((engine, container), None)
        self.tails.pop(container, None)


def _append(path: Path, text: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            view = memoryview(text)
            while view:  # a full disk writes short before it fails
                view = view[file.write(view) :]
            os.fdatasync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), size)
            raise


def _replace(path: Path, text: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
