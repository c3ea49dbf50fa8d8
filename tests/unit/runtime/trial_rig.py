"""Files as settings, and lines, for the tests of what is tried."""

from __future__ import annotations

from typing import Any

from towline.config.load import load
from towline.config.settings import Settings
from towline.kinds import BACKENDS, SOURCES
from towline.record import Line, Origin, OriginType, time_text

HEAD = """version: 1
device: {id: pi}
brokers: {home: {servers: ["mqtt://127.0.0.1"]}}
"""
THREE = HEAD + (
    "backends: {elk: {type: mqtt, broker: home}, loki: {type: mqtt, broker: home},"
    " mqtt: {type: mqtt, broker: home}}\n"
)
WEB = Origin(
    type=OriginType.CONTAINER,
    name="web",
    device="pi",
    service="web",
    container="shop-web-1",
    container_id="c" * 64,
)
DB = Origin(type=OriginType.CONTAINER, name="db", device="pi", service="db", container="db")


def settings(text: str, base: str = THREE) -> Settings:
    """A file with three backends, and what a test adds to it."""
    return load(base + text, SOURCES, BACKENDS)


def line(text: str, at: int = 0, **more: Any) -> Line:
    """A line as a source hands it over."""
    return Line(text, time_text(at * 1_000_000), at, **more)
