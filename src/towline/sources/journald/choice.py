"""Which of the journal's entries are read."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from towline.config.settings import Match
from towline.pipeline.match import compile_match
from towline.record import Origin, OriginType

KERNEL: Final = "kernel"
_NAMING: Final = ("_SYSTEMD_UNIT", "UNIT", "SYSLOG_IDENTIFIER")
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournaldConfig:
    """Where the journal is and what of it is read. `units` are shell patterns.

    An empty `path` is the journal of this machine.
    """

    path: str
    units: tuple[str, ...]
    kernel: bool
    containers: bool
    include: tuple[Match, ...]
    exclude: tuple[Match, ...]


class Choice:
    """Decides by origin; a match that depends on a line decides nothing here."""

    def __init__(self, config: JournaldConfig) -> None:
        self._config = config
        self._include = [compile_match(match) for match in config.include]
        self._exclude = [compile_match(match) for match in config.exclude]

    def __call__(self, origin: Origin) -> bool:
        """Whether what it writes is to be read."""
        if not self._kind(origin):
            return False
        included = any(matcher.of(origin) is True for matcher in self._include)
        return included and not any(matcher.of(origin) is True for matcher in self._exclude)

    def _kind(self, origin: Origin) -> bool:
        if origin.type == OriginType.CONTAINER:
            return self._config.containers
        if origin.name == KERNEL:
            return self._config.kernel
        return any(fnmatchcase(origin.name, pattern) for pattern in self._config.units)


def journal_matches(config: JournaldConfig) -> list[str]:
    """What lets the journal's own index leave most of it out; empty where all must be read."""
    if config.containers or any(_WILD.intersection(unit) for unit in config.units):
        return []
    fields = [f"{field}={unit}" for unit in config.units for field in _NAMING]
    if config.kernel:
        fields.append("_TRANSPORT=kernel")
    return [word for field in fields for word in (field, "+")][:-1]
