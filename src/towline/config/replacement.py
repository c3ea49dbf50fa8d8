"""What stands in the place of a redacted hit: a text in which `\\1` and `\\g<name>` are groups.

Our own reading: RE2's Python binding takes such a text for Latin-1 and breaks every other letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_SPECIAL = re.compile(r"\\(?:(?P<number>[1-9]\d?)|g<(?P<name>\w+)>|(?P<backslash>\\)|)", re.ASCII)


def filler(written: str, pattern: Any) -> Callable[[Any], str]:
    """What makes the text that replaces a hit of a compiled pattern.

    `LookupError` for a group that the pattern does not have, `ValueError` for another backslash.
    """
    parts = _parts(written, pattern)
    if not any(isinstance(part, int) for part in parts):
        text = "".join(str(part) for part in parts)
        return lambda _: text
    return lambda hit: "".join(
        (hit.group(part) or "") if isinstance(part, int) else part for part in parts
    )


def _parts(written: str, pattern: Any) -> list[str | int]:
    """Texts, and groups by number."""
    found: list[str | int] = []
    done = 0
    for special in _SPECIAL.finditer(written):
        found += [written[done : special.start()], _meaning(special, pattern)]
        done = special.end()
    return [*found, written[done:]]


def _meaning(special: re.Match[str], pattern: Any) -> str | int:
    number, name, backslash = special.groups()
    if backslash:
        return str(backslash)
    if not (number or name):
        raise ValueError("a backslash that means nothing")
    word = number or name
    group = int(word) if word.isdecimal() else int(pattern.groupindex[word])
    if group > pattern.groups:
        raise LookupError(f"no group {group}")
    return group
