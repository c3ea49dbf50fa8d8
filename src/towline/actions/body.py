"""What is sent: a template, or the whole occasion as JSON."""

from __future__ import annotations

from towline.actions.occasion import Occasion
from towline.actions.template import Template, as_is, in_json
from towline.config.templates import Body

LARGEST = 1024 * 1024
"""Bytes that one message or request may have."""


class Filled:
    """A body ready to be filled in; None: the occasion's own JSON."""

    def __init__(self, body: Body | None) -> None:
        self.json = body is None or body.json
        self._template = (
            Template(body.text, in_json if body.json else as_is) if body is not None else None
        )

    def of(self, occasion: Occasion) -> bytes:
        """The bytes for an occasion; a text that is too long loses its end."""
        if self._template is None:
            return occasion.json
        found = self._template.fill(occasion.words).encode(errors="replace")
        return found if self.json else found[:LARGEST]
