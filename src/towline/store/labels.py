"""Labels and sources of containers whose records are stored: a record does not carry them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Final

from towline.pipeline.encode import Decoder
from towline.record import Origin

_log = logging.getLogger(__name__)
KEPT: Final = 5000
"""Containers remembered; the longest unseen are forgotten at the next start."""


class Labels:
    """By container id, in one append-only file; what is known is the decoder's own."""

    def __init__(self, path: Path | None, decode: Decoder) -> None:
        self._path = path
        self._labels = decode.labels
        self._sources = decode.sources
        if path is not None and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        rows = path.read_bytes().splitlines()
        for row in rows:
            try:
                found = json.loads(row)
                labels = tuple(sorted(found["labels"].items()))
                self._labels[found["id"]] = labels
                if source := found.get("source"):
                    self._sources[found["id"]] = str(source)
            except (ValueError, KeyError, TypeError, AttributeError):
                _log.warning("skipped a damaged row", extra={"file": path.name})
        if len(rows) > KEPT:
            kept = list(self._labels | self._sources)[-KEPT:]
            partial = path.with_name(path.name + ".part")
            partial.write_text("".join(map(self._row, kept)))
            partial.rename(path)

    def of(self, id_: str) -> tuple[tuple[str, str], ...]:
        """The labels of a container, as far as they are known."""
        return self._labels.get(id_, ())

    def learn(self, origin: Origin) -> None:
        """Remember an origin's labels and source if they are new."""
        id_ = origin.container_id
        if id_ is None or self._knows(id_, origin):
            return
        if origin.labels:
            self._labels[id_] = origin.labels
        if origin.source:
            self._sources[id_] = origin.source
        if self._path is not None:
            try:
                with self._path.open("a") as file:
                    file.write(self._row(id_))
            except OSError as exc:  # the record itself is taken all the same
                _log.warning("labels are not kept", extra={"reason": exc.strerror})

    def _knows(self, id_: str, origin: Origin) -> bool:
        return (not origin.labels or self._labels.get(id_) == origin.labels) and (
            not origin.source or self._sources.get(id_) == origin.source
        )

    def _row(self, id_: str) -> str:
        labels = dict(self._labels.get(id_, ()))
        found = {"id": id_, "labels": labels, "source": self._sources.get(id_)}
        return json.dumps(found, separators=(",", ":")) + "\n"
