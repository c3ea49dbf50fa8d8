"""Lines that are JSON objects: their level, their message, the rest as fields."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from towline.pipeline.level import level_from
from towline.record import Line

LEVEL_KEYS: Final = ("level", "severity", "lvl", "loglevel", "log.level", "@level")
MESSAGE_KEYS: Final = ("message", "msg", "text", "@message", "event", "log")

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def parse_json(line: Line) -> None:
    """Refine a line that is a JSON object; any other line, and one that only looks so, stays."""
    text = line.text
    try:
        found = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return
    for key in LEVEL_KEYS:
        level = level_from(found.get(key))
        if level:
            line.level = level
            del found[key]
            break
    for key in MESSAGE_KEYS:
        message = found.get(key)
        if isinstance(message, str):
            line.text = message
            del found[key]
            break
    if found:
        line.fields = _encode(found).decode()


def looks_like_json(text: str) -> bool:
    """Whether a line is worth parsing: cheap, before any parser is asked."""
    return text[:1] == "{" and text[-1:] == "}"
