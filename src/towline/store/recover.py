"""What an earlier run left in the folder: torn tails cut, half-done work finished.

Blocking; runs once, before the store serves anyone.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from towline.errors import StoreError
from towline.pipeline.encode import Decoder
from towline.store.files import Files
from towline.store.segment import Segment

_log = logging.getLogger(__name__)


def recover(files: Files, decode: Decoder) -> None:
    """Find the files of an earlier run; the store is cut at the first damaged row of its last one.

    What is cut can still be read again from Docker: checkpoints are written only after a sync.
    """
    try:
        files.folder.mkdir(parents=True, exist_ok=True)
        names = sorted(os.listdir(files.folder))
    except OSError as exc:
        raise StoreError(f"{files.folder}: {exc.strerror}") from exc
    closed = {name.partition(".ndjson")[0] for name in names if name.endswith((".zst", ".gz"))}
    for name in names:
        path = files.folder / name
        if name.endswith(".part") or (name.endswith(".ndjson") and path.stem in closed):
            path.unlink()  # a crash while compressing: the other one is whole
        elif ".ndjson" in name and (segment := _segment(path, decode)):
            files.segments.append(segment)
    files.segments.sort(key=lambda segment: segment.first)  # a clock may have been set back
    kept = {segment.index for segment in files.segments}
    for name in names:
        if name.endswith(".index") and files.folder / name not in kept:
            (files.folder / name).unlink()


def _segment(path: Path, decode: Decoder) -> Segment | None:
    try:
        first = int(path.name.partition(".ndjson")[0][-16:], 16)
    except ValueError:
        _log.warning("a file in the store is none of ours", extra={"file": path.name})
        return None
    segment = Segment(path, first, path.stat().st_size)
    if segment.load():
        return segment
    plain = path.suffix == ".ndjson"
    whole = segment.scan(decode, to_damage=plain)
    if plain and whole < segment.size:
        _log.warning(
            "cut a damaged end off the store",
            extra={"file": path.name, "bytes": segment.size - whole},
        )
        os.truncate(path, whole)
        segment.size = whole
    if not segment.facts.count:
        if plain:
            path.unlink()
        return None
    return segment
