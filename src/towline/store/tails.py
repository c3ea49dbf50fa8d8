"""How far the store got with each container: what its own records tell beyond the checkpoints."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from towline.store.files import Files


@dataclass(frozen=True, slots=True)
class Tail:
    """What the store has of a container: up to which `seq` at all, and of stdout and stderr alone.

    `time` (RFC 3339, nanoseconds) and `stderr` are those of the last line it wrote itself.
    """

    seq: int
    streams: tuple[int, int] = (0, 0)
    time: str = ""
    stderr: bool = False

    def then(self, *, seq: int, time: str, stderr: bool, system: bool) -> Tail:
        """With one record more."""
        highest = max(self.seq, seq)
        if system:  # a gap: said by Towline, written by nobody
            return replace(self, seq=highest)
        out, err = self.streams
        streams = (out, max(err, seq)) if stderr else (max(out, seq), err)
        return Tail(highest, streams, time, stderr)


class _Row(msgspec.Struct, gc=False, rename="camel"):
    """The members of a stored record that tell how far its container was read."""

    id: str
    time: str
    seq: int = 0
    container_id: str = ""
    is_std_err: bool = False
    is_system: bool = False


_row = msgspec.json.Decoder(_Row).decode


def tails(files: Files, covered: int) -> dict[str, Tail]:
    """What is at or after offset `covered` of each container that has something there, by its id.

    A line that stood open and was handed on in pieces comes after younger rows of the other
    stream: the highest `seq` counts, not the last. What has none (Docker's word of a container)
    is no row of its log.
    """
    found: dict[str, Tail] = {}
    for segment in files.segments:
        if segment.facts.last < covered:
            continue
        for text in segment.lines():
            with suppress(ValueError):  # a damaged row tells nothing
                row = _row(text)
                if row.container_id and row.seq and int(row.id, 16) >= covered:
                    found[row.container_id] = found.get(row.container_id, Tail(0)).then(
                        seq=row.seq, time=row.time, stderr=row.is_std_err, system=row.is_system
                    )
    return found
