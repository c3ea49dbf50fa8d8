"""What `store:` says: where records are kept, how, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from towline.config.compound import Into, Listing, Mapping
from towline.config.faults import Fault
from towline.config.fields import boolean, duration, one_of, plain, size, some_text, whole
from towline.config.match import match
from towline.config.settings import Keep
from towline.config.shapes import TEXT, shaped

MOST_RULES: Final = 100


@shaped(TEXT | {"pattern": r"\S"})
def _path(value: Any) -> Path:
    found = plain(some_text(value))
    if "\0" in found:
        raise Fault("wrong_value", "a path cannot contain NUL")
    return Path(found)


_RULE = Into(
    Mapping({vol.Optional("match", default=dict): match, vol.Required("max_age"): duration}), Keep
)
_RETENTION = Mapping(
    {
        vol.Optional("max_age", default="24h"): duration,
        vol.Optional("max_size", default="1GB"): size,
        vol.Optional("min_free", default="50MB"): size,
        vol.Optional("rules", default=list): Listing(_RULE, most=MOST_RULES),
    }
)
SCHEMA: Final = Mapping(
    {
        vol.Optional("path", default="data"): _path,
        vol.Optional("memory", default=10_000): whole(1, 1_000_000),
        vol.Optional("persist", default=True): boolean,
        vol.Optional("flush", default="5s"): duration,
        vol.Optional("max_file_size", default="10MB"): size,
        vol.Optional("compression", default="zstd"): one_of("zstd", "gzip", "none"),
        vol.Optional("retention", default=dict): _RETENTION,
    }
)
"""Checks the mapping below `store:`; its defaults stand here and nowhere else."""
