"""A closed file without some of its records: what stays keeps its bytes, offsets and order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from towline.pipeline.encode import Decoder
from towline.record import Record
from towline.store import codec
from towline.store.segment import Facts, Segment

_PIECE: Final = 1000
_SUFFIXES: Final = {".zst": "zstd", ".gz": "gzip"}


def without(segment: Segment, goes: Callable[[Record], bool], decode: Decoder) -> Facts | None:
    """Write a file anew without the records that go; None where nothing is left, and no file.

    Until the rename the old file is whole, after it the new one is; facts that an earlier file
    left are gone by then, and are made again where a crash leaves none. Rows that are damaged go,
    too. Blocking; `OSError` leaves the old file.
    """
    path = segment.current()
    plain = path.with_name(f"{segment.stem}.ndjson.part")
    packed = path.with_name(f"{path.name}.part")
    try:
        facts = _copy(segment, goes, decode, plain)
        if not facts.count:
            return None
        if path.suffix in _SUFFIXES:
            codec.pack(plain, packed, _SUFFIXES[path.suffix])
        segment.index.unlink(missing_ok=True)
        packed.rename(path)
    finally:
        plain.unlink(missing_ok=True)
        packed.unlink(missing_ok=True)
    segment.index.write_text(facts.as_text())
    return facts


def _copy(segment: Segment, goes: Callable[[Record], bool], decode: Decoder, target: Path) -> Facts:
    """Write what stays as plain text, synced."""
    facts = Facts()
    with target.open("wb") as file:
        for kept in _pieces(segment, goes, decode):
            facts.add(kept)
            file.writelines(record.json + b"\n" for record in kept)
        file.flush()
        os.fsync(file.fileno())
    return facts


def _pieces(
    segment: Segment, goes: Callable[[Record], bool], decode: Decoder
) -> Iterator[list[Record]]:
    kept: list[Record] = []
    for row in segment.lines():
        try:
            record = decode(row)
        except ValueError:
            continue
        if not goes(record):
            kept.append(record)
        if len(kept) >= _PIECE:
            yield kept
            kept = []
    if kept:
        yield kept
