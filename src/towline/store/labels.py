"""The labels of containers whose records are stored: a record itself does not carry them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Final

from towline.pipeline.encode import Labels as Pairs
from towline.record import Origin

_log = logging.getLogger(__name__)
KEPT: Final = 5000
"""Containers remembered; the longest unseen are forgotten at the next start."""


class Labels:
    """Labels by container id, in one append-only file; `known` is shared with the decoder."""

    def __init__(self, path: Path | None, known: dict[str, Pairs]) -> None:
        self._path = path
        self.known = known
        if path is not None and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        rows = path.read_bytes().splitlines()
        for row in rows:
            try:
                found = json.loads(row)
                self.known[found["id"]] = tuple(sorted(found["labels"].items()))
            except (ValueError, KeyError, TypeError, AttributeError):
                _log.warning("skipped a damaged row", extra={"file": path.name})
        if len(rows) > KEPT:
            kept = list(self.known)[-KEPT:]
            partial = path.with_name(path.name + ".part")
            partial.write_text("".join(_row(id_, self.known[id_]) for id_ in kept))
            partial.rename(path)

    def learn(self, origin: Origin) -> None:
        """Remember an origin's labels if they are new."""
        id_ = origin.container_id
        if id_ is None or self.known.get(id_) == origin.labels:
            return
        self.known[id_] = origin.labels
        if self._path is not None:
            try:
                with self._path.open("a") as file:
                    file.write(_row(id_, origin.labels))
            except OSError as exc:  # the record itself is taken all the same
                _log.warning("labels are not kept", extra={"reason": exc.strerror})


def _row(id_: str, labels: Pairs) -> str:
    return json.dumps({"id": id_, "labels": dict(labels)}, separators=(",", ":")) + "\n"
