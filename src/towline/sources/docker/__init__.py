"""Lines of containers, from a Docker Engine."""

from __future__ import annotations

from typing import Any, Final

import voluptuous as vol

from towline.config import fields
from towline.config.compound import Listing
from towline.config.faults import Fault
from towline.config.kinds import Kind, Surroundings
from towline.config.match import match
from towline.config.settings import Match
from towline.config.shapes import SECRET_NAME, shaped, words
from towline.sources.docker.stream import Address

LOCAL: Final = "unix:///var/run/docker.sock"


@shaped(words(rf"unix://.*/.+|(?:tcp|http)://.+|{SECRET_NAME}"))
def _url(value: Any) -> str:
    text = fields.some_text(value)
    try:
        Address.parse(text)
    except ValueError as exc:
        raise Fault(
            "wrong_value", "expected unix:///path/to/docker.sock or tcp://host:port"
        ) from exc
    return text


_schema = fields.mapping(
    {
        vol.Optional("url", default=LOCAL): _url,
        vol.Optional("read", default="auto"): fields.one_of("auto", "api", "files"),
        vol.Optional("files"): fields.some_text,
        vol.Optional("stats", default="auto"): fields.one_of("auto", "always", "never"),
        vol.Optional("include", default=[{"name": "*"}]): Listing(match),
        vol.Optional("exclude", default=[{"label": "towline.enable=false"}]): Listing(match),
    }
)


def _config(*, url: str, read: str, stats: str, files: str = "", include: Any, exclude: Any) -> Any:
    from towline.sources.docker.choice import DockerConfig

    included, excluded = _all(include), _all(exclude)
    return DockerConfig(
        url=url, read=read, files=files, stats=stats, include=included, exclude=excluded
    )


def _all(matches: Any) -> tuple[Match, ...]:
    return tuple(matches)


def _open(name: str, config: Any, around: Surroundings) -> Any:
    from towline.sources.docker.source import DockerSource

    return DockerSource(name, config, around)


KIND: Final = Kind(
    schema=_schema,
    config=_config,
    open=_open,
    claims=lambda config: frozenset({f"engine {config.url}"}),
)
