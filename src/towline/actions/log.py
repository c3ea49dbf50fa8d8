"""A record of Towline's own."""

from __future__ import annotations

import msgspec

from towline.actions.occasion import Occasion
from towline.actions.ports import Around
from towline.actions.template import Template
from towline.config.actions import Log

LONGEST = 4000
"""Characters of the text."""


class LogAction:
    """Writes a record; no alert fires on it."""

    def __init__(self, settings: Log, around: Around) -> None:
        self._level = settings.level
        self._tell = around.tell
        self._message = Template(settings.message)

    async def perform(self, occasion: Occasion) -> None:
        """Write it."""
        text = self._message.fill(occasion.words)[:LONGEST]
        fields = msgspec.json.encode({"about": occasion.about}).decode()
        self._tell(text, self._level, fields)
