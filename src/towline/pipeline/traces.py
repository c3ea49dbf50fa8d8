"""Which lines begin a stack trace or an indented block, and which go on with one.

One table for all languages: what a program prints does not tell what it is written in. A line that
begins nothing is never waited with; so what may begin a group is drawn narrowly, and what goes on
with one only counts behind such a beginning.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final


class Trace(Enum):
    """What a group is, as far as its lines have told."""

    BLOCK = auto()
    """Java, .NET, Node.js, Ruby, PHP; anything whose further lines are indented."""

    PYTHON = auto()
    PYTHON_ENDED = auto()
    """Its exception has been named; only another traceback may follow."""

    PYTHON_CHAINED = auto()
    """It was said that another traceback follows."""

    GO = auto()
    RUST = auto()
    """The next line is the panic's message, whatever it says."""

    FRAME = auto()
    """Node.js shows a line of the program before it names the error."""


class Goes(Enum):
    """Whether a line belongs to an open group; `MAYBE`: if a later one does."""

    ON = auto()
    MAYBE = auto()
    NOT = auto()


_ENDS: Final = frozenset(":{[(")
_INDENT: Final = frozenset(" \t")
_RARE: Final = frozenset("f*")
_TRACEBACK: Final = "Traceback (most recent call last)"
_GROUP: Final = "  + Exception Group Traceback (most recent call last)"
_CHAIN: Final = (
    "During handling of the above exception",
    "The above exception was the direct cause",
)

_names_error = re.compile(r"(?:Exception|Error)(?::|\s*\(|\s*$)").search
_goes_on = re.compile(
    r"""
      Caused\ by:? | Suppressed: | at\ [\w$<(] | \.{3}\ \d+\ (?:more|common)   # Java
    | --->\ | ---\ End\ of                                                     # .NET
    | (?:PHP\ )?Stack\ trace: | PHP\ +\d+\.\ | \#\d+[\ :] | \[stacktrace\]     # PHP, Dart
    | Node\.js\ v\d | note:\ run\ with | stack\ backtrace:                     # Node.js, Rust
    | [}\])]+[,;:]?\s*$                                                        # the end of a block
    """,
    re.VERBOSE,
).match
_goes_on_go = re.compile(
    r"goroutine \d+ |\[signal |\[originating |created by |exit status \d|\S+\(.*\)$"
    r"|\.\.\.additional frames|r\w{1,5} +0x"
).match
_python_error = re.compile(r"[A-Za-z_][\w.]*(?::\s*$|: |\s*$)").match
_shows_code = re.compile(r"(?:file://)?/?\S+\.[cm]?[jt]s:\d{1,7}$").match
_carets = re.compile(r"\s*[~^]+\s*$").match
_in_ruby = re.compile(r"\S+\.rb:\d{1,7}:in ").match


def begins(text: str) -> Trace | None:
    """What a line may be the beginning of."""
    first, last = text[:1], text[-1:]
    if first in _INDENT or not first:
        return Trace.BLOCK if text.startswith(_GROUP) else None
    if last in _ENDS:
        if _TRACEBACK in text:
            return Trace.PYTHON
        if "panicked at " in text:
            return Trace.RUST
        return Trace.GO if text.startswith("goroutine ") else Trace.BLOCK
    if ("Error" in text or "Exception" in text) and _is_header(text):
        return Trace.BLOCK
    if "panic" in text:
        if text.startswith("panic: ") or "http: panic serving " in text:
            return Trace.GO
        return Trace.BLOCK if "' panicked at " in text else None
    if first in _RARE and text.startswith(("fatal error: ", "** (")):
        return Trace.GO
    if last.isdigit():
        return _ends_in_a_place(text)
    return Trace.BLOCK if last == ")" and _in_ruby(text) else None


def _ends_in_a_place(text: str) -> Trace | None:
    """What begins with the place of a fault: a file and the number of a line."""
    if "Uncaught " in text or "Fatal error: " in text:
        return Trace.BLOCK
    return Trace.FRAME if _shows_code(text) else None


def _is_header(text: str) -> bool:
    """Whether an error is named as it is above its trace; JSON tells of one and is whole."""
    if text[0] == "{" and text[-1] == "}":
        return False
    return text.startswith("Exception in thread ") or _names_error(text) is not None


def further(trace: Trace, text: str, lines: int) -> tuple[Goes, Trace]:
    """Whether a line goes on with a group of so many lines, and what the group is then."""
    if not text or text.isspace():
        return Goes.MAYBE, trace
    if text[0] in _INDENT:
        return Goes.ON, trace
    match trace:
        case Trace.PYTHON | Trace.PYTHON_ENDED | Trace.PYTHON_CHAINED:
            return _python(trace, text)
        case Trace.RUST if lines == 1:
            return Goes.ON, Trace.BLOCK
        case Trace.FRAME:
            return _frame(text, lines)
        case Trace.GO if _goes_on_go(text):
            return Goes.ON, trace
    return Goes.ON if _goes_on(text) else Goes.NOT, trace


def _python(trace: Trace, text: str) -> tuple[Goes, Trace]:
    if trace is Trace.PYTHON:
        named = _python_error(text)
        is_error = named is not None and not named[0].rstrip(": ").isupper()  # "INFO: next"
        return Goes.ON if is_error else Goes.NOT, Trace.PYTHON_ENDED
    if trace is Trace.PYTHON_ENDED:
        return Goes.ON if text.startswith(_CHAIN) else Goes.NOT, Trace.PYTHON_CHAINED
    return Goes.ON if text.startswith(_TRACEBACK) else Goes.NOT, Trace.PYTHON


def _frame(text: str, lines: int) -> tuple[Goes, Trace]:
    if _carets(text):
        return Goes.ON, Trace.FRAME
    if _names_error(text) and lines > 1:
        return Goes.ON, Trace.BLOCK
    return Goes.MAYBE if lines == 1 else Goes.NOT, Trace.FRAME
