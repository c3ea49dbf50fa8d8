"""Records as rows of a terminal: time, level, name, message. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

NARROWEST: Final = 12
WIDEST: Final = 32
"""Characters of the name column; it grows with the names it has seen."""

_RESET: Final = "\x1b[0m"
_LEVELS: Final = {
    "trace": "\x1b[2m",
    "debug": "\x1b[2m",
    "info": "\x1b[32m",
    "warn": "\x1b[33m",
    "error": "\x1b[31m",
    "fatal": "\x1b[1;31m",
}
_FAINT: Final = "\x1b[2m"
_FURTHER: Final = "\n    "
"""Before a record's further lines: they cannot be taken for rows of their own."""

# a change of colour, as programs write it; 8 hides text and is never let through
_COLOUR = re.compile(r"\x1b\[([0-9;]{0,32})m")
# C0 (but not the tab), DEL, C1, line separators, and what turns the direction of text around
_CONTROL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


class Rows:
    """Turns records into rows that no record can use to steer the terminal.

    With `colour` the level is coloured and a message may keep colours of its own. `date` says
    whether the day stands before the time, which is local.
    """

    def __init__(self, *, colour: bool, date: bool) -> None:
        self._colour = colour
        self._date = date
        self._width = NARROWEST

    def __call__(self, records: Iterable[bytes]) -> str:
        """The records' rows, each with its newline; one of several lines has them indented."""
        return "".join([self._row(json.loads(record)) for record in records])

    def _row(self, record: dict[str, Any]) -> str:
        name = visible(str(record.get("containerName") or record["source"]["name"]))
        self._width = max(self._width, min(len(name), WIDEST))
        level = str(record["level"])
        at = self._time(int(record["timestamp"]))
        lines = str(record["message"]).split("\n")
        if not self._colour:
            message = _FURTHER.join(map(plain, lines))
            return f"{at} {level:<5} {name:<{self._width}} {message}\n"
        head = f"{_FAINT}{at}{_RESET} {_LEVELS.get(level, '')}{level:<5}{_RESET}"
        return f"{head} {name:<{self._width}} {_FURTHER.join(map(coloured, lines))}\n"

    def _time(self, timestamp: int) -> str:
        at = datetime.fromtimestamp(timestamp / 1000)
        shown = f"{at:%H:%M:%S}.{timestamp % 1000:03d}"
        return f"{at:%Y-%m-%d} {shown}" if self._date else shown


def visible(text: str) -> str:
    """A text with what could steer a terminal written out as an escape."""
    return _CONTROL.sub(_escape, text)


def plain(message: str) -> str:
    """A message without its colours."""
    return visible(_COLOUR.sub("", message)) if "\x1b" in message else visible(message)


def coloured(message: str) -> str:
    """A message with its colours, which end where it ends."""
    if "\x1b" not in message:
        return visible(message)
    parts = _COLOUR.split(message)  # text, colour, text, colour, ..., text
    shown = [_sgr(part) if place % 2 else visible(part) for place, part in enumerate(parts)]
    return "".join(shown) + _RESET


def _sgr(parameters: str) -> str:
    hides = any(part.lstrip("0") == "8" for part in parameters.split(";"))
    return "" if hides else f"\x1b[{parameters}m"


def _escape(hit: re.Match[str]) -> str:
    code = ord(hit[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
