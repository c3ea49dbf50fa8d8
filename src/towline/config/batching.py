"""What `batch:` of a backend says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import voluptuous as vol

from towline.config.compound import Into, Mapping
from towline.config.fields import duration, whole

MOST: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """Records wait for company until there are `max_records` or `max_age` seconds have passed."""

    max_age: float
    max_records: int


def batching(max_records: int, most: int = MOST) -> Into:
    """The validator of a mapping below `batch:`."""
    return Into(
        Mapping(
            {
                vol.Optional("max_age", default="1s"): duration,
                vol.Optional("max_records", default=max_records): whole(1, most),
            }
        ),
        Batching,
    )
