"""The level of a line, from a table of words over its head.

A table look-up per word is several times cheaper than a pattern over the line. A word counts
- anywhere in the head, when it is written as a level is written: in capitals or with decoration
  (`ERROR`, `[error]`, `error:`, `level=error`);
- as the line's first word, in any case (`error something broke`).
A bare lower-case word later in the line is prose ("no error found") and does not count.
"""

from __future__ import annotations

import re
from typing import Final

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "trace": ("trace", "trc", "finest", "verbose", "silly"),
    "debug": ("debug", "dbg", "debu", "fine", "finer"),
    "info": ("info", "inf", "information", "informational", "notice", "note", "log", "config"),
    "warn": ("warn", "warning", "wrn"),
    "error": ("error", "err", "eror", "severe", "failure"),
    "fatal": ("fatal", "ftl", "critical", "crit", "alert", "emerg", "emergency", "panic"),
}
"""Words that programs write for each level."""

NUMBERS: Final[dict[int, str]] = {
    10: "trace",
    20: "debug",
    30: "info",
    40: "warn",
    50: "error",
    60: "fatal",
}
"""Numeric levels of JSON loggers (pino, bunyan)."""

HEAD: Final = 100
"""Characters of a line in which its level is looked for."""

WORDS: Final = 6
"""Words of the head that are looked up: date, time, zone, host, thread may stand before it."""

_WRAPS = ("[{}]", "<{}>", "({})", "|{}|", "{}:", "[{}]:", "({}):", "{}]", "[{}", "{}|", "-{}-")
_KEYS = ("level", "lvl", "severity", "loglevel", "log.level")
_PROSE = frozenset({"note", "log", "fine", "config", "failure", "alert", "panic", "trace"})
_LETTERS = {"V": "trace", "D": "debug", "I": "info", "W": "warn", "E": "error", "F": "fatal"}
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_KLOG = re.compile(r"([VDIWEF])\d{4}$").match


def _table() -> tuple[dict[str, str], dict[str, str]]:
    anywhere: dict[str, str] = {}
    first: dict[str, str] = {}
    for level, names in ALIASES.items():
        for name in names:
            for form in (name, name.upper(), name.capitalize()):
                for wrap in _WRAPS:
                    anywhere[wrap.format(form)] = level
                for key in _KEYS:
                    anywhere[f"{key}={form}"] = level
                    anywhere[f'{key}="{form}"'] = level
                if name not in _PROSE:
                    first[form] = level
            anywhere[name.upper()] = level
            anywhere[name.upper() + ","] = level
    for letter, level in _LETTERS.items():
        for wrap in ("[{}]", "({})", "{}:", "{}/", "{},"):
            anywhere[wrap.format(letter)] = level
        first[letter] = level
    return anywhere, first | anywhere


_ANYWHERE, _FIRST = _table()
_NAMES: Final[dict[str, str]] = {name: level for level, names in ALIASES.items() for name in names}


def level_of(text: str, default: str) -> str:
    """The level that a line tells of itself, else `default`."""
    head = text[:HEAD]
    if "\x1b" in head:
        head = _ANSI.sub("", head)
    words = head.split(None, WORDS)
    if not words:
        return default
    first = words[0]
    found = _FIRST.get(first)
    if found is not None:
        return found
    look = _ANYWHERE.get
    for word in words[1:WORDS]:
        found = look(word)
        if found is not None:
            return found
    return _glued(first, default)


def _glued(first: str, default: str) -> str:
    """Levels glued to what follows: `ERROR:root:text`, `[error][db]`, `E1121`, `W/tag`."""
    if ":" in first:
        return _ANYWHERE.get(first.partition(":")[0], default)
    if "]" in first:
        return _ANYWHERE.get(first.partition("]")[0] + "]", default)
    klog = _KLOG(first)
    return _LETTERS[klog[1]] if klog else default


def level_from(value: object) -> str:
    """The level that a field's value names (`"warning"`, `30`), or an empty text."""
    if isinstance(value, str):
        return _NAMES.get(value.lower(), "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return NUMBERS.get(int(value) // 10 * 10, "")
    return ""
