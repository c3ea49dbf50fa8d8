"""Lines of text files, as they are written: the source of docs/adding-a-source.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config import fields
from towline.config.compound import Listing
from towline.config.kinds import Kind, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTail:
    """Which files are read: shell patterns of paths. `interval` is seconds between two looks."""

    files: tuple[str, ...]
    interval: float


def _config(*, files: Any, interval: float) -> FileTail:
    return FileTail(files=tuple(files), interval=interval)


def _open(name: str, config: FileTail, around: Surroundings) -> Any:
    from towline.sources.filetail.source import FileTailSource

    return FileTailSource(name, config, around.device)


KIND: Final = Kind(
    schema=fields.mapping(
        {
            vol.Required("files"): Listing(fields.some_text, least=1),
            vol.Optional("interval", default="250ms"): fields.duration,
        }
    ),
    config=_config,
    open=_open,
)
