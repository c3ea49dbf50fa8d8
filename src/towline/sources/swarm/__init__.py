"""Lines of a Swarm's tasks on other nodes, through one of its managers."""

from __future__ import annotations

from typing import Any, Final

import voluptuous as vol

from towline.config import fields
from towline.config.compound import Listing
from towline.config.kinds import Kind, Surroundings
from towline.config.match import match
from towline.sources.docker import REACH, reach_doubts, reached


def _config(*, include: Any, exclude: Any, **keys: Any) -> Any:
    from towline.sources.swarm.source import SwarmConfig

    return SwarmConfig(include=tuple(include), exclude=tuple(exclude), **reached(keys))


def _open(name: str, config: Any, around: Surroundings) -> Any:
    from towline.sources.swarm.source import SwarmSource

    return SwarmSource(name, config, around)


KIND: Final = Kind(
    schema=fields.mapping(
        REACH
        | {
            vol.Optional("local", default=False): fields.boolean,
            vol.Optional("include", default=[{"name": "*"}]): Listing(match),
            vol.Optional("exclude", default=[{"label": "towline.enable=false"}]): Listing(match),
        }
    ),
    config=_config,
    open=_open,
    claims=lambda config: frozenset({f"services of the manager {config.url}"}),
    doubts=reach_doubts,
)
