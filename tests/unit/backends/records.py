"""Records for the tests of backends, and a kind's settings as a file would give them."""

from __future__ import annotations

from typing import Any

from towline.config.kinds import Kind
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, Record

WEB = Origin(
    type=OriginType.CONTAINER,
    name="shop-web",
    device="pi",
    app="1001",
    project="shop",
    service_id=2,
    service="web",
    container_id="c0ffee",
    container="shop-web-1",
    image="shop/web:3",
    source="docker",
)
OWN = Origin(type=OriginType.SYSTEM, name="towline", device="pi")
TIME = "2026-01-02T03:04:05.678901234Z"
TIMESTAMP = 1767323045678
NS = 1767323045678901234


def record(text: str = "hello", origin: Origin = WEB, **members: Any) -> Record:
    """A record at offset 7."""
    given: dict[str, Any] = {
        "time": TIME,
        "timestamp": TIMESTAMP,
        "level": "info",
        "seq": 5,
    } | members
    return encode(template_of(origin), [Line(text=text, **given)], 7)[0]


def configured(kind: Kind, **written: Any) -> Any:
    """What a kind's config becomes of what is written."""
    return kind.config(**kind.schema(written))
