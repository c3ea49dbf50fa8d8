"""How far the store got with each container: what its own records tell beyond the checkpoints."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from towline.store.files import Files

JOURNAL: Final = 1 << 40
"""From here on a `seq` is one of the journal's numbers; Docker's count of rows stays far below."""


def journal_key(container: str, name: str) -> str:
    """What an origin is called that the journal was read of: a container, or a unit of the host."""
    return f"journal/{container or name}"


@dataclass(frozen=True, slots=True)
class Tail:
    """What the store has of a container: up to which `seq` at all, and of stdout and stderr alone.

    `time` (RFC 3339, nanoseconds) and `stderr` are those of the furthest line it wrote itself,
    `times` those of the last line of each stream.
    """

    seq: int
    streams: tuple[int, int] = (0, 0)
    time: str = ""
    stderr: bool = False
    times: tuple[str, str] = ("", "")

    def then(self, *, seq: int, time: str, stderr: bool, system: bool) -> Tail:
        """With one record more."""
        highest = max(self.seq, seq)
        if system:  # a gap: said by Towline, written by nobody
            return replace(self, seq=highest)
        if seq < self.streams[stderr]:  # said of lines before it, such as how many there were
            return self
        (out, err), (at_out, at_err) = self.streams, self.times
        streams = (out, seq) if stderr else (seq, err)
        times = (at_out, time) if stderr else (time, at_err)
        if seq < self.seq:  # its stream was held back: the log goes on behind the furthest row
            return replace(self, streams=streams, times=times)
        return Tail(highest, streams, time, stderr, times)


class _Source(msgspec.Struct, gc=False):
    name: str = ""


class _Row(msgspec.Struct, gc=False, rename="camel"):
    """The members of a stored record that tell how far its container was read."""

    id: str
    time: str
    until: str = ""
    seq: int = 0
    container_id: str = ""
    source: _Source = msgspec.field(default_factory=_Source)
    is_std_err: bool = False
    is_system: bool = False
    remote_id: str = ""


_row = msgspec.json.Decoder(_Row).decode


def tails(files: Files, covered: int) -> dict[str, Tail]:
    """What is at or after offset `covered` of each container that has something there, by its id.

    What came from the journal is told apart by `journal_key`.

    A line that stood open and was handed on in pieces comes after younger rows of the other
    stream: the highest `seq` counts, not the last. What has none (Docker's word of a container)
    is no row of its log.
    """
    found: dict[str, Tail] = {}
    for segment in list(files.segments):
        if segment.facts.last < covered:
            continue
        for text in segment.lines():
            with suppress(ValueError):  # a damaged row tells nothing
                row = _row(text)
                if row.remote_id:  # of another device: none of our logs
                    continue
                key = row.container_id
                if row.seq >= JOURNAL:
                    key = journal_key(key, row.source.name)
                if key and row.seq and int(row.id, 16) >= covered:
                    found[key] = found.get(key, Tail(0)).then(
                        seq=row.seq,
                        time=row.until or row.time,  # of the last of the lines in it
                        stderr=row.is_std_err,
                        system=row.is_system,
                    )
    return found
