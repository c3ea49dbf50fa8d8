"""Encrypted values of a file under the newest key; all else stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from towline.config.encrypted import Keys
from towline.config.faults import Fault
from towline.config.syntax import syntax_problem
from towline.config.text import Text, read_text
from towline.config.tree import events
from towline.errors import ConfigError

_BOM = b"\xef\xbb\xbf"
_FROM_TAG = re.compile(r"(?s)(!encrypted[ \t]+).*?(\s*)\Z")


@dataclass(frozen=True, slots=True)
class Rotated:
    """A file's new content; how many values were encrypted anew, and how many were already."""

    data: bytes
    changed: int
    kept: int


def rotated(data: bytes, file: str, keys: Keys) -> Rotated:
    """A file with its values under the newest key.

    `ConfigError` where it is no YAML or holds a value that no key opens.
    """
    text = read_text(data, file)
    parts: list[str] = []
    done = changed = kept = 0
    for start, end, token, place in _tokens(text):
        try:
            new = keys.rotate(token)
        except Fault as fault:
            problem = text.problem(fault.code, str(fault.msg), place, hint=fault.hint)
            raise ConfigError([problem]) from None
        if new is None:
            kept += 1
            continue
        changed += 1
        parts += [text.content[done:start], _put(text.content[start:end], token, new)]
        done = end
    content = "".join([*parts, text.content[done:]]).encode()
    head = _BOM if data.startswith(_BOM) else b""
    return Rotated(head + content, changed, kept)


def _put(written: str, token: str, new: str) -> str:
    """A value as it was written, with another token. One that was folded becomes one line."""
    if token in written:
        return written.replace(token, new)
    return _FROM_TAG.sub(lambda found: found[1] + new + found[2], written)


def _tokens(text: Text) -> Iterator[tuple[int, int, str, tuple[int, int]]]:
    """Where encrypted values stand: begin and end in the text, the token, line and column."""
    try:
        for event in events(text):
            if not isinstance(event, yaml.ScalarEvent) or event.tag != "!encrypted":
                continue
            start, end = event.start_mark, event.end_mark
            if start and end:
                place = (start.line + 1, start.column + 1)
                yield start.index, end.index, "".join(event.value.split()), place
    except yaml.YAMLError as exc:
        raise ConfigError([syntax_problem(text, exc)]) from exc
