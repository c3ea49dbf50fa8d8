"""Lines in logfmt (`level=info msg="listening" port=80`): level, message, the rest as fields."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Final

from towline.pipeline.parse import refine
from towline.record import Line

LONGEST: Final = 64 * 1024
"""Characters; a longer line is left as it is."""

MOST_PAIRS: Final = 256

LOOKED_AT: Final = 48
"""Characters within which the first key must end."""

# every repeat is possessive: a line that is none of it costs one pass
_pair = re.compile(
    r'([A-Za-z_@][\w.@/-]{0,63}+)=(?:"((?:[^"\\]|\\.)*+)"|([^\s"]*+))(?:[ ]++|$)', re.ASCII
).match


def parse_logfmt(line: Line) -> None:
    """Refine a line that consists of pairs; any other line stays, prose with `a=b` in it, too."""
    text = line.text
    at = text.find("=", 1, LOOKED_AT)
    if at < 0 or " " in text[:at] or len(text) > LONGEST:
        return
    found = pairs(text)
    if len(found) > 1:
        refine(line, found)


def pairs(text: str) -> dict[str, object]:
    """The pairs that a text consists of; none where there is anything else, or a key twice."""
    found: dict[str, object] = {}
    place, end = 0, len(text.rstrip())
    while place < end:
        pair = _pair(text, place)
        if pair is None:
            return {}
        key, quoted, bare = pair.groups()
        if key in found or len(found) >= MOST_PAIRS:
            return {}
        found[key] = bare if quoted is None else _unquoted(quoted)
        place = pair.end()
    return found


def _unquoted(text: str) -> str:
    """A quoted value without its escapes, which are those of JSON."""
    if "\\" in text:
        with suppress(ValueError):
            return str(json.loads(f'"{text}"', strict=False))
    return text
