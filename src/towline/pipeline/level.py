"""The level of a line, from a table of words over its head.

A table look-up per word is several times cheaper than a pattern over the line. A word counts
- anywhere in the head, when it is written as a level is written: in capitals or with decoration
  (`ERROR`, `[error]`, `error:`, `level=error`);
- as the line's first word, or the first after a time, in any case (`error something broke`);
- glued to what stands beside it in one of a few known shapes (`[10:22:47][E][wifi]`, `W/tag`).
A bare lower-case word later in the line is prose ("no error found") and does not count.
"""

from __future__ import annotations

import re
from typing import Final

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "trace": ("trace", "trc", "trce", "vrb", "finest", "verbose", "silly"),
    "debug": ("debug", "dbg", "dbug", "debu", "fine", "finer"),
    "info": (
        "info", "inf", "information", "informational", "notice", "note", "log", "config", "system",
    ),
    "warn": ("warn", "warning", "wrn"),
    "error": ("error", "err", "eror", "severe", "failure", "fail"),
    "fatal": (
        "fatal", "ftl", "critical", "crit", "alert", "emerg", "emergency", "panic", "dpanic",
    ),
}  # fmt: skip
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

SYSLOG: Final = ("fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug")
"""What syslog's severities 0 to 7 mean (RFC 5424 section 6.2.1)."""

HEAD: Final = 100
"""Characters of a line in which its level is looked for."""

FEW: Final = 3
"""Words that are cut off first: most programs write the level among them."""

MORE: Final = 4
"""Words after those: date, time, zone, host and thread may all stand before a level."""

_WRAPS = ("[{}]", "<{}>", "({})", "|{}|", "{}:", "[{}]:", "({}):", "{}]", "[{}", "{}|", "-{}-")
_KEYS = ("level", "lvl", "severity", "loglevel", "log.level")
_FACILITIES = ("kern", "user", "mail", "daemon", "auth", "authpriv", "syslog", "cron", "local0")
# words of everyday prose: they count only where they are decorated
_PROSE = frozenset(
    {"note", "log", "fine", "config", "failure", "alert", "panic", "trace", "verbose", "system"}
)
_NOT_BARE = frozenset({"note", "log", "config", "system"})
_LETTERS = {"V": "trace", "D": "debug", "I": "info", "W": "warn", "E": "error", "F": "fatal"}
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FAILED = ("Error:", "Exception:", "Exception")

_glued = re.compile(
    r"""
      (<[0-7])>                                       # <3>text: kernel, sd-daemon
    | \[[^\]]{1,48}\][ ]?\[(?:\w{1,32}:)?(\w{1,16})   # [time][E][tag], [time] [core:error]
    | \[[^\]/]{1,48}[ ](\w{1,16})/\w                  # [time: WARNING/MainProcess]
    | ([VDIWEF])(?:\d{4,8}[ ]|/\w\w)                  # E1121 10:22:47, W/tag
    | (?:\[?\d[\d:.,/TZ+-]{6,}\]?\s+){1,2}(\w+)[ \t]  # time error text
    | (\w{1,32})[:[(](\w{1,16})?                      # ERROR:root:text, ERROR[time], Name:error
    """,
    re.VERBOSE,
).match
"""Where a level stands in a head whose words do not stand apart."""


def _table() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    anywhere: dict[str, str] = {}
    bare: dict[str, str] = {}
    for level, names in ALIASES.items():
        for name in names:
            for form in (name, name.upper(), name.capitalize()):
                for wrap in _WRAPS:
                    anywhere[wrap.format(form)] = level
                for key in _KEYS:
                    anywhere[f"{key}={form}"] = level
                    anywhere[f'{key}="{form}"'] = level
                if name not in _PROSE:
                    bare[form] = level
            if name not in _NOT_BARE:
                anywhere[name.upper()] = level
                anywhere[name.upper() + ","] = level
    for facility in _FACILITIES:
        for severity in ("debug", "info", "notice", "warn", "err", "crit", "alert", "emerg"):
            anywhere[f"{facility}.{severity}"] = _NAMES[severity]
    for letter, level in _LETTERS.items():
        for wrap in ("[{}]", "({})", "{}:", "{}/", "{},"):
            anywhere[wrap.format(letter)] = level
        bare[letter] = level
    for number, level in enumerate(SYSLOG):
        bare[f"<{number}"] = level
    anywhere |= {"ERR!": "error", "panicked": "fatal"}  # npm, Rust
    return anywhere, bare | anywhere | {"Traceback": "error", "Exception": "error"}, bare


_NAMES: Final[dict[str, str]] = {name: level for level, names in ALIASES.items() for name in names}
_ANYWHERE, _FIRST, _BARE = _table()


def level_of(text: str, default: str) -> str:
    """The level that a line tells of itself, else `default`."""
    head = text[:HEAD]
    if "\x1b" in head:
        head = _ANSI.sub("", head)
    words = head.split(None, FEW)
    if not words:
        return default
    first = words[0]
    found = _FIRST.get(first)
    if found is not None:
        return found
    look = _ANYWHERE.get
    count = len(words)
    if count > 1:  # not a loop: this is the way of most lines
        found = look(words[1])
        if found is not None:
            return found
    if count > 2:
        found = look(words[2])
        if found is not None:
            return found
    if count > FEW:
        for word in words[FEW].split(None, MORE)[:MORE]:
            found = look(word)
            if found is not None:
                return found
    return default if first.isalpha() else _odd(first, head, default)


def _odd(first: str, head: str, default: str) -> str:
    """The level of a head whose first word is more than letters."""
    if first.endswith(_FAILED):
        return "error"
    glued = _glued(head)
    if glued:
        for part in glued.groups():
            if part in _BARE:
                return _BARE[part]
    return default


def level_from(value: object) -> str:
    """The level that a field's value names (`"warning"`, `"WARN+2"`, `30`), or an empty text."""
    if isinstance(value, str):
        return _NAMES.get(value.lower(), "") or _LETTERS.get(value[:1], "") * (len(value) < 3)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return NUMBERS.get(int(value) // 10 * 10, "")
    return ""
