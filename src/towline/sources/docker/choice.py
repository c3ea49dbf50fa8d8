"""Which of an engine's containers are read."""

from __future__ import annotations

from dataclasses import dataclass

from towline.config.settings import Match
from towline.pipeline.match import compile_match
from towline.record import Origin
from towline.sources.docker.reach import Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerConfig(Reach):
    """How to reach an engine and which of its containers are read.

    `device` is where its containers are said to be; empty: where Towline is.
    """

    read: str
    files: str = ""
    stats: str = "auto"
    device: str = ""
    include: tuple[Match, ...]
    exclude: tuple[Match, ...]


class Choice:
    """Decides by origin: included by some match, excluded by none.

    A match that depends on a line decides nothing here.
    """

    def __init__(self, include: tuple[Match, ...], exclude: tuple[Match, ...]) -> None:
        self._include = [compile_match(match) for match in include]
        self._exclude = [compile_match(match) for match in exclude]

    def __call__(self, origin: Origin) -> bool:
        """Whether its log is to be read."""
        included = any(matcher.of(origin) is True for matcher in self._include)
        return included and not any(matcher.of(origin) is True for matcher in self._exclude)
