"""Kinds for the configuration's own tests, and a way to load with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import voluptuous as vol

from towline.backends.mqtt import KIND as MQTT
from towline.config import fields
from towline.config.compound import Listing
from towline.config.environment import Overrides
from towline.config.kinds import Kind
from towline.config.load import load
from towline.config.match import match
from towline.config.settings import Match, Settings
from towline.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    url: str
    include: tuple[Match, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    port: int


def never(*_: Any) -> Any:
    raise AssertionError("loading a configuration opens nothing")


DOCKER = Kind(
    schema=fields.mapping(
        {
            vol.Optional("url", default="unix:///var/run/docker.sock"): fields.text,
            vol.Optional("include", default=list): Listing(match),
        }
    ),
    config=Engine,
    open=never,
)
INGEST = Kind(
    schema=fields.mapping({vol.Required("port"): fields.whole(0, 65535)}),
    config=Port,
    open=never,
    claims=lambda config: frozenset({f"port {config.port}"}),
)
SOURCES: Mapping[str, Kind] = {"docker": DOCKER, "ingest": INGEST}
BACKENDS: Mapping[str, Kind] = {"mqtt": MQTT}
FOLDER = Path("/config")


def loaded(
    text: str | bytes | None,
    *,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    data: str | None = None,
    listen: str | None = None,
    host_name: str = "pi",
) -> Settings:
    """Load as `/config/towline.yaml` with further files by their path below `/config`."""
    held = {FOLDER / name: content for name, content in (files or {}).items()}
    return load(
        text,
        SOURCES,
        BACKENDS,
        file=FOLDER / "towline.yaml",
        environment=environment or {},
        overrides=Overrides(data=data, listen=listen),
        read=held.get,
        host_name=host_name,
    )


def problems(text: str | bytes | None, **rest: Any) -> list[Problem]:
    """The problems of a text, none when it loads."""
    try:
        loaded(text, **rest)
    except ConfigError as exc:
        return list(exc.problems)
    return []


def told(text: str | bytes | None, **rest: Any) -> list[str]:
    """The problems as `line:column text`."""
    return [f"{found.line}:{found.column} {found.text}" for found in problems(text, **rest)]
