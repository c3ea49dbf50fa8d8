"""Lines of the host and of its containers, from the systemd journal: no Docker socket is needed."""

from __future__ import annotations

from typing import Any, Final

import voluptuous as vol

from towline.config import fields
from towline.config.compound import Listing
from towline.config.kinds import Kind, Surroundings
from towline.config.match import match

_schema = fields.mapping(
    {
        vol.Optional("path", default=""): fields.text,
        vol.Optional("units", default=["*"]): Listing(fields.some_text),
        vol.Optional("kernel", default=True): fields.boolean,
        vol.Optional("containers", default=False): fields.boolean,
        vol.Optional("include", default=[{"name": "*"}]): Listing(match),
        vol.Optional("exclude", default=list): Listing(match),
    }
)


def _config(*, include: Any, exclude: Any, **keys: Any) -> Any:
    from towline.sources.journald.choice import JournaldConfig

    return JournaldConfig(include=tuple(include), exclude=tuple(exclude), **keys)


def _open(name: str, config: Any, around: Surroundings) -> Any:
    from towline.sources.journald.source import JournaldSource
    from towline.sources.own import own_container_ids

    return JournaldSource(name, config, around, own=own_container_ids())


KIND: Final = Kind(
    schema=_schema,
    config=_config,
    open=_open,
    claims=lambda _: frozenset({"the journal"}),
)
