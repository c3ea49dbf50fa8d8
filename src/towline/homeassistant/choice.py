"""Which containers show themselves in Home Assistant, and which it may control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from towline.config.homeassistant import HomeAssistant
from towline.config.settings import Match
from towline.pipeline.match import Matcher, compile_match
from towline.record import Origin, OriginType
from towline.store.labels import Labels


class Chosen:
    """Decides by what the API knows of a container."""

    def __init__(self, config: HomeAssistant, labels: Labels) -> None:
        self._labels = labels
        self._include = _compiled(config.include)
        self._exclude = _compiled(config.exclude)
        self._allow = _compiled(config.allow)

    def __call__(self, row: Mapping[str, Any]) -> bool:
        """Whether it is shown: read by its source, included, not excluded."""
        if row.get("excluded"):
            return False
        origin = self._origin(row)
        return _some(self._include, origin) and not _some(self._exclude, origin)

    def may_control(self, row: Mapping[str, Any]) -> bool:
        """Whether it may be started and stopped from there; Towline itself never is a row."""
        by_engine = row.get("state") is not None and row.get("stateFrom") is None
        return by_engine and _some(self._allow, self._origin(row))

    def _origin(self, row: Mapping[str, Any]) -> Origin:
        return Origin(
            type=OriginType.CONTAINER,
            name=str(row["origin"]),
            device=str(row.get("device") or ""),
            app=row.get("app"),
            project=row.get("project"),
            service=row.get("serviceName"),
            container_id=row.get("id"),
            container=row.get("name"),
            image=row.get("image"),
            source=row.get("source"),
            labels=self._labels.of(str(row.get("id"))),
        )


def _compiled(matches: tuple[Match, ...]) -> list[Matcher]:
    return [compile_match(match) for match in matches]


def _some(matchers: list[Matcher], origin: Origin) -> bool:
    return any(matcher.of(origin) is True for matcher in matchers)
