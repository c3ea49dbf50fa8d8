"""What the audit says of a subscription's actions: each of them, or how many there were."""

from __future__ import annotations

from towline.actions.occasion import Occasion
from towline.ports import Audit
from towline.subscriptions.pace import Pace

A_MINUTE = 60
"""Entries of one subscription; beyond that the next one says how many more there were."""


class Written:
    """Puts down that actions ran: a flood must not drive out what others did."""

    def __init__(self, audit: Audit, pace: Pace | None = None) -> None:
        self._audit = audit
        self._pace = pace or Pace(A_MINUTE)
        self._more = 0

    def __call__(self, occasion: Occasion, topic: str) -> None:
        """Actions ran for an occasion."""
        if not self._pace.may():
            self._more += 1
            return
        diff = {"more": self._more} if self._more else None
        self._more = 0
        self._audit.put(occasion.about, "actions", topic, diff=diff)
