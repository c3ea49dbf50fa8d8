"""Lines that are JSON objects: their level, their message, the rest as fields."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from towline.pipeline.level import level_from
from towline.record import Line, is_deep

LEVEL_KEYS: Final = (
    "level", "severity", "lvl", "loglevel", "log.level", "@level", "levelname", "LogLevel", "@l",
    "s",
)  # fmt: skip
"""Members that name the level, the surest first (`s` is MongoDB's)."""

MESSAGE_KEYS: Final = (
    "message", "msg", "text", "@message", "Message", "@m", "event", "log",
)  # fmt: skip
"""Members that are the message, the surest first."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def parse_json(line: Line) -> None:
    """Refine a line that is a JSON object; any other line, and one that only looks so, stays."""
    try:
        found = _decode(line.text)
    except (ValueError, RecursionError):
        return
    if not is_deep(line.text):
        refine(line, found)


def refine(line: Line, found: dict[str, Any]) -> None:
    """Give a line what its members tell: level, message, and the rest as fields."""
    for key in LEVEL_KEYS:
        if key in found:
            level = level_from(found[key])
            if level:
                line.level = level
                del found[key]
                break
    else:
        line.level = _nested_level(found) or line.level
    for key in MESSAGE_KEYS:
        if key in found:
            message = found[key]
            if isinstance(message, str):
                line.text = message
                del found[key]
                break
    if found:
        line.fields = _encode(found).decode()


def _nested_level(found: dict[str, Any]) -> str:
    """The level in a `log` object (Elastic Common Schema), or an empty text."""
    log = found.get("log")
    return level_from(log.get("level")) if isinstance(log, dict) else ""
