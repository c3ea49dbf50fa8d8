"""Why actions run: words for templates, and the whole as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One thing that happened. `about` names its owner ("alerts.db_down"), `name` only itself.

    `words` are what templates may name, as texts; a word that is not there is empty. `json` is
    everything, for actions that say nothing else.
    """

    about: str
    name: str
    device: str
    words: Mapping[str, str]
    json: bytes
