"""A closed file without some of its records: what stays keeps its bytes, offsets and order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from towline.pipeline.encode import Decoder
from towline.record import Record
from towline.store import codec
from towline.store.segment import Facts, Segment

_SUFFIXES: Final = {".zst": "zstd", ".gz": "gzip"}


def without(segment: Segment, goes: Callable[[Record], bool], decode: Decoder) -> Facts | None:
    """Write a file anew without the records that go, if there are any; None where none is left.

    Until the rename the old file is whole, after it the new one is; facts that an earlier file
    left are gone by then, and are made again where a crash leaves none. Rows that are damaged go,
    too. Blocking; `OSError` leaves the old file.
    """
    if not any(goes(record) for record in _records(segment, decode)):
        return segment.facts
    path = segment.current()
    plain = path.with_name(f"{segment.stem}.ndjson.part")
    packed = path.with_name(f"{path.name}.part")
    try:
        if not _copy(segment, goes, decode, plain):
            return None
        if path.suffix in _SUFFIXES:
            codec.pack(plain, packed, _SUFFIXES[path.suffix])
        segment.index.unlink(missing_ok=True)
        packed.rename(path)
    finally:
        plain.unlink(missing_ok=True)
        packed.unlink(missing_ok=True)
    anew = Segment(path, segment.first)
    anew.scan(decode, to_damage=False)
    segment.index.write_text(anew.facts.as_text())
    return anew.facts


def _copy(segment: Segment, goes: Callable[[Record], bool], decode: Decoder, target: Path) -> int:
    """Write what stays as plain text, synced; return how many bytes that is."""
    with target.open("wb") as file:
        for record in _records(segment, decode):
            if not goes(record):
                file.write(record.json + b"\n")
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _records(segment: Segment, decode: Decoder) -> Iterator[Record]:
    for row in segment.lines():
        with suppress(ValueError):
            yield decode(row)
