"""Private keys that are printed over several lines."""

from __future__ import annotations

import re
from typing import Final

from towline.record import Line, Origin

MARK: Final = "PRIVATE KEY"
"""What the first line of every such key holds."""

HIDDEN: Final = "[REDACTED:key]"
_LONGEST = 200  # lines; a key of 16,384 bits has 201 with its marks
_MOST_OPEN = 256

_begin = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----").search
_end = re.compile(r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----").search
_body = re.compile(
    r"\s*(?:[A-Za-z0-9+/=]{1,130}|(?:Proc-Type|DEK-Info|Version|Comment): .{0,100})?\s*"
).fullmatch


class KeyBlocks:
    """Hides the lines of a private key, even where they come in several batches."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, bool], int] = {}

    def concerns(self, text: str) -> bool:
        """Whether lines that hold `text` need looking at: cheap."""
        return bool(self._open) or MARK in text

    def __call__(self, lines: list[Line], origin: Origin) -> set[int]:
        """Hide the bodies of keys in lines of one origin; return the positions changed."""
        changed: set[int] = set()
        for position, line in enumerate(lines):
            stream = origin.key, line.stderr
            left = self._open.pop(stream, 0)
            last = _end(line.text)
            if left and (last or _body(line.text)):
                line.text = HIDDEN + line.text[last.end() :] if last else HIDDEN
                changed.add(position)
                if not last and left > 1:
                    self._open[stream] = left - 1
            elif not last and _begin(line.text) and len(self._open) < _MOST_OPEN:
                self._open[stream] = _LONGEST
        return changed
