"""What became of records: counted, and kept aside where the destination refuses them for good."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from towline.delivery.dead import DeadLetters
from towline.record import Batch
from towline.status import Health
from towline.trouble import Trouble

_log = logging.getLogger(__name__)
_SET_ASIDE: Final = "records set aside: the backend will never take them"


class Outcome:
    """Of one backend. `about` goes with what is logged."""

    def __init__(
        self,
        health: Health,
        dead: DeadLetters,
        about: dict[str, object],
        clock: Callable[[], float],
    ) -> None:
        self._health = health
        self._dead = dead
        self._poison = Trouble(
            _log, _SET_ASIDE, "records taken again", extra=about, level=logging.ERROR, clock=clock
        )

    def arrived(self, batch: Batch) -> None:
        """The destination has these."""
        self._health.counters["sent"] += len(batch)
        self._health.counters["bytes"] += sum([len(record.json) for record in batch])

    def set_aside(self, records: Batch, reason: str) -> None:
        """The destination will never take these."""
        counters = self._health.counters
        counters["rejected"] += len(records)
        self._poison.happened(reason)
        try:
            if gone := self._dead.add(records, reason):
                counters["discarded"] += gone
        except OSError as exc:
            counters["discarded"] += len(records)
            self._poison.happened(f"nor can they be kept: {exc.strerror}")
