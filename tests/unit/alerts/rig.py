"""Alerts as a file says them, and records as the store holds them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import yaml

from tests.unit.config.kinds import loaded
from towline.config.alerts import Alert
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, Record, time_text

NOW = 1_700_000_000_000
WEB = Origin(
    type=OriginType.CONTAINER,
    name="web",
    device="pi",
    project="shop",
    service="web",
    container_id="a" * 64,
    container="shop-web-1",
    image="shop/web:3",
)
API = replace(WEB, name="api", service="api", container="shop-api-1", container_id="b" * 64)


def alert(**keys: Any) -> Alert:
    """An alert as written; what is not given is as in the schema."""
    given = {"match": {}} | keys if "event" not in keys else keys
    text = yaml.safe_dump(
        {
            "version": 1,
            "brokers": {"home": {"servers": ["mqtt://nas"]}},
            "alerts": {"one": given},
        }
    )
    return loaded(text).alerts["one"]


def record(
    message: str = "x",
    *,
    origin: Origin = WEB,
    level: str = "info",
    at: int = NOW,
    offset: int = 1,
    **fields: Any,
) -> Record:
    """One record of an origin."""
    line = Line(message, time_text(at * 1_000_000), at, level=level)
    line.fields = json.dumps(fields) if fields else ""
    return encode(template_of(origin), [line], offset)[0]


def event(word: str, code: int | None = None, *, origin: Origin = WEB, at: int = NOW) -> Record:
    """What Docker says of a container."""
    fields: dict[str, Any] = {"event": word} | ({} if code is None else {"exitCode": code})
    return record(f"it {word}", origin=replace(origin, type=OriginType.SYSTEM), at=at, **fields)
