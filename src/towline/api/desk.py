"""What every handler is given."""

from __future__ import annotations

from dataclasses import dataclass

from towline.api.auth import Gate
from towline.api.ports import Towline
from towline.live.viewers import Viewers


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The program behind the API, its viewers, and who may do what."""

    towline: Towline
    viewers: Viewers
    gate: Gate
