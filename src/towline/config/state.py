"""What `state:` says: how often a broker is told how this Towline is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config.compound import Into, Mapping
from towline.config.fields import duration, name
from towline.config.http import address, bearer
from towline.config.settings import Secret
from towline.config.shapes import shaped, words


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`publish`: seconds between two looks at the state; `metrics`: between two sets of counters.

    0 is never. `broker` empty: every broker is told. `report_to` empty: no server is told; `key`
    is for that server.
    """

    publish: float
    metrics: float
    broker: str
    report_to: str
    key: Secret


@shaped(words(r"off|\d{1,9}(?:\.\d{1,6})? ?(?:ms|s|m|h|d)"))
def _interval(value: Any) -> float:
    """A time, or `off` for never."""
    return 0.0 if value == "off" else duration(value)


STATE: Final = Into(
    Mapping(
        {
            vol.Optional("publish", default="10s"): _interval,
            vol.Optional("metrics", default="5m"): _interval,
            vol.Optional("broker"): name,
            vol.Optional("report_to"): address,
            vol.Optional("key", default=""): bearer,
        }
    ),
    lambda **keys: State(**{"broker": "", "report_to": "", **keys}),
)
"""Checks the mapping below `state:`; its defaults stand here and nowhere else."""
