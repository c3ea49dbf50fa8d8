"""The text of a configuration file: what may be in it, and its lines for messages."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Final

from towline.errors import ConfigError, Problem

MOST_BYTES: Final = 1 << 20
_LONGEST_QUOTE: Final = 400
_LONGEST_SECRET: Final = 100
"""Lines within which a secret of several lines begins: longer than any key in PEM."""


# What libyaml counts as the end of a line (yaml_private.h: IS_BREAK), so that places agree.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
# Everything that YAML does not allow unescaped (YAML 1.2.2 section 5.1).
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_PRIVATE = re.compile(
    r"(?i)\b((?:[\w-]*(?:password|passphrase|secret|token|key|hash))[\"']?\s*:\s+)(?!!)([^\s,}#][^,}#]*)"
)
# An encrypted value, and what a variable of a secret's key is by default.
_BEHIND_TAG = re.compile(
    r"(?i)(!encrypted\s+|(?:password|passphrase|secret|token|key|hash)[\"']?\s*:\s+!env_var\s+\S+\s+)"
    r"([^\s,}#][^,}#]*)"
)
_HOLDS_SECRET = re.compile(
    r"(?i)^\s*(?:-\s+)*[\"']?[\w-]*(?:password|passphrase|secret|token|key|hash)[\"']?\s*:"
)
_PASSWORD_IN_URL = re.compile(r"(://[^\s/@:]*:)([^\s/@]+)(?=@)")
_ALL_BUT_KEY = re.compile(r"^(\s*[\w.-]+:\s+|)(\S.*)")
_ALL = re.compile(r"^(\s*)(\S.*)")


class Text:
    """A file's text. `private`: it holds secrets, and no message may quote its values."""

    def __init__(self, content: str, file: str = "", *, private: bool = False) -> None:
        self.content = content
        self.file = file
        self._private = _ALL_BUT_KEY if private else _PRIVATE
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        """A line, counted from one: its beginning, with what must not be shown starred out."""
        if self._lines is None:
            self._lines = _BREAK.split(self.content)
        if not 0 < number <= len(self._lines):
            return ""
        line = self._private.sub(_starred, self._lines[number - 1][:_LONGEST_QUOTE])
        line = _BEHIND_TAG.sub(_starred, line)
        if self._goes_on(number):
            line = _ALL.sub(_starred, line)
        return _PASSWORD_IN_URL.sub(_starred, line)

    def _goes_on(self, number: int) -> bool:
        """Whether a line belongs to a secret that began in a line above: a block, a long text."""
        lines = self._lines or []
        indent = _indent(lines[number - 1])
        for line in reversed(lines[max(number - 1 - _LONGEST_SECRET, 0) : number - 1]):
            if line.strip() and _indent(line) < indent:
                return bool(_HOLDS_SECRET.match(line))
        return False

    def is_tab_indented(self, number: int) -> bool:
        """Whether a tab stands among what indents a line."""
        line = self.line(number)
        return "\t" in line[: len(line) - len(line.lstrip())]

    def problem(
        self,
        code: str,
        text: str,
        place: tuple[int, int],
        *,
        path: tuple[Hashable, ...] = (),
        hint: str = "",
        severity: str = "error",
    ) -> Problem:
        """A problem at a place (line, column) of this text."""
        line, column = place
        return Problem(
            code=code,
            text=text,
            file=self.file,
            line=line,
            column=column,
            path=path,
            source=self.line(line),
            hint=hint,
            severity=severity,
        )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _starred(found: re.Match[str]) -> str:
    return found[1] + "*" * len(found[2])


def read_text(data: bytes | str, file: str = "", *, private: bool = False) -> Text:
    """The text of a file as it came, or `ConfigError`: too long, not UTF-8, control characters."""
    size = len(data) if isinstance(data, bytes) else len(data.encode(errors="replace"))
    if size > MOST_BYTES:
        wanted = f"the file is too long: more than {MOST_BYTES >> 20} MiB"
        raise ConfigError([Text("", file).problem("too_long", wanted, (1, 1))])
    content = data if isinstance(data, str) else _decoded(data, file, private=private)
    text = Text(content.removeprefix("\ufeff"), file, private=private)
    if found := _FORBIDDEN.search(text.content):
        wanted = f"the character U+{ord(found[0]):04X} is not allowed in YAML"
        raise ConfigError([text.problem("bad_character", wanted, _place(text, found.start()))])
    return text


def _decoded(data: bytes, file: str, *, private: bool) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        text = Text(data.decode(errors="replace").removeprefix("\ufeff"), file, private=private)
        line = data.count(b"\n", 0, exc.start) + 1
        head = data[data.rfind(b"\n", 0, exc.start) + 1 : exc.start]
        wanted = f"not UTF-8: the byte 0x{data[exc.start]:02x}"
        place = (line, len(head.decode(errors="replace")) + 1)
        hint = "save the file as UTF-8"
        raise ConfigError([text.problem("not_utf8", wanted, place, hint=hint)]) from exc


def _place(text: Text, index: int) -> tuple[int, int]:
    before = _BREAK.split(text.content[:index])
    return len(before), len(before[-1]) + 1
