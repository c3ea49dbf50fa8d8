"""A data folder that is only read: for looking at what a Towline left that does not run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from towline.errors import StoreError
from towline.store.segment import Facts, Segment

Labels = dict[str, tuple[tuple[str, str], ...]]


class _Timed(msgspec.Struct, gc=False):
    timestamp: int


_timed = msgspec.json.Decoder(_Timed).decode


class Folder:
    """The records of a data folder. Nothing is locked, cut or written; `StoreError` if none is."""

    def __init__(self, path: Path) -> None:
        try:
            names = sorted(each.name for each in (path / "logs").iterdir())
        except OSError as exc:
            raise StoreError(f"{path} is no data folder: {exc.strerror}") from exc
        self._path = path
        found = [_segment(path / "logs" / name) for name in names if ".ndjson" in name]
        self._segments = sorted(
            (segment for segment in found if segment), key=lambda segment: segment.first
        )

    def labels(self) -> Labels:
        """Labels of containers by id; damaged rows are passed over."""
        known: Labels = {}
        with suppress(OSError):
            for row in (self._path / "labels.ndjson").read_bytes().splitlines():
                with suppress(ValueError, LookupError, TypeError, AttributeError):
                    found = json.loads(row)
                    known[found["id"]] = tuple(sorted(found["labels"].items()))
        return known

    def pages(self, since: int, limit: int, size: int) -> Iterator[list[bytes]]:
        """The newest `limit` records from `since` (ms) on, oldest first, in lists of `size`."""
        left = limit
        chosen: list[Segment] = []
        for segment in reversed(self._segments):
            if left <= 0:
                break
            count = _count(segment, since)
            if count:
                chosen.insert(0, segment)
                left -= count
        rows = (row for segment in chosen for row in _rows(segment, since))
        newest = islice(rows, max(-left, 0), None)
        while page := list(islice(newest, size)):
            yield page


def _segment(path: Path) -> Segment | None:
    try:
        segment = Segment(path, int(path.name.partition(".ndjson")[0][-16:], 16))
    except ValueError:  # none of ours, or half compressed
        return None
    if path.name.endswith(".part"):
        return None
    with suppress(OSError, ValueError, KeyError, TypeError):
        segment.facts = Facts.parse(segment.index.read_text())
    return segment


def _count(segment: Segment, since: int) -> int:
    """How many of its records are that new."""
    facts = segment.facts
    if facts.count and facts.newest < since:
        return 0
    if facts.count and facts.oldest >= since:
        return facts.count
    return sum(1 for _ in _rows(segment, since))


def _rows(segment: Segment, since: int) -> Iterator[bytes]:
    """Its whole records that are that new."""
    for row in segment.lines():
        try:
            if row and _timed(row).timestamp >= since:
                yield row
        except ValueError:  # the end of a row that was being written, or damage
            continue
