"""What must not leave: tokens, passwords in addresses, e-mail addresses, patterns of the user's.

Two stages. A batch is searched once for a few literals; only when one occurs are its lines looked
at, and only lines with a literal meet a pattern. A batch without any costs one pass over its text.
Best effort: what a pattern does not describe stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from towline.config.settings import Redaction
from towline.errors import QueryError
from towline.record import Line

Substitute = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Group:
    """A built-in group: literals (lower case) of which one must occur, and the patterns."""

    literals: tuple[str, ...]
    rules: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]


_VALUE = (
    r"""("(?:[^"\\]|\\.){1,512}"|'[^']{1,512}'|(?:Bearer |Basic |Token )?[^\s"',;&\\]{1,512})"""
)


def _keep_quotes(found: re.Match[str]) -> str:
    """A quoted value stays quoted, so that a line of JSON stays JSON."""
    quote = found[2][0] if found[2][0] in "\"'" else ""
    return f"{found[1]}{quote}[REDACTED]{quote}"


GROUPS: Final[dict[str, Group]] = {
    "tokens": Group(
        (
            "password", "passwd", "secret", "token", "api_key", "apikey", "api-key",
            "authorization", "bearer ", "eyj", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_",
            "ghr_", "private key",
        ),
        (
            (re.compile(r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*"), "[REDACTED:jwt]"),
            (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "[REDACTED:aws]"),
            (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}\b"), "[REDACTED:github]"),
            (
                re.compile(
                    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"
                    r"(?:[^-]{1,16384}-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
                ),
                "[REDACTED:key]",
            ),
            (re.compile(r"(?i)\bbearer +[\w.~+/=-]{8,}"), "Bearer [REDACTED]"),
            (
                re.compile(
                    r"""(?i)((?:password|passwd|secret|token|api[_-]?key|authorization)"""
                    r"""[\w-]{0,32}["']?\s{0,3}[:=]\s{0,3})(?!\[REDACTED|Bearer \[)""" + _VALUE
                ),
                _keep_quotes,
            ),
        ),
    ),
    "urls": Group(
        ("://",),
        ((re.compile(r"\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@:]{0,128}:[^\s/@]{1,256}@"), r"\1***@"),),
    ),
    "emails": Group(
        ("@",),
        (
            (
                re.compile(r"\b[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}\b"),
                "[REDACTED:email]",
            ),
        ),
    ),
}  # fmt: skip
"""The groups that a file may name. Every pattern is linear: no nested or unbounded repeats."""


def own_rule(rule: Redaction) -> Substitute:
    """A user's pattern as a substitution, by RE2; `QueryError` when it is none."""
    import re2  # imported when a file has a pattern of its own

    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(rule.pattern, options)
    except re2.error as exc:
        raise QueryError("bad_regex", f"not a pattern RE2 understands: {rule.pattern}") from exc
    replacement = rule.replacement
    return lambda text: compiled.sub(replacement, text)


class Redactor:
    """The redaction step of one configuration; counts the lines it changed in `redacted`."""

    def __init__(self, rules: Iterable[str | Redaction]) -> None:
        named = list(rules)
        groups = [GROUPS[rule] for rule in named if isinstance(rule, str)]
        self._literals = sorted({text for group in groups for text in group.literals})
        self._hit = re.compile("|".join(map(re.escape, self._literals))).search
        self._patterns = [rule for group in groups for rule in group.rules]
        self._own = [own_rule(rule) for rule in named if isinstance(rule, Redaction)]
        self.redacted = 0

    def __call__(self, lines: list[Line]) -> None:
        """Redact lines in place."""
        if self._literals and self._occurs("\n".join([line.text for line in lines])):
            self._each(lines)
        if self._own:
            for line in lines:
                self._apply(line, self._sub_own)

    def _occurs(self, text: str) -> bool:
        folded = text.lower()
        return any(literal in folded for literal in self._literals)

    def _each(self, lines: list[Line]) -> None:
        for line in lines:
            if self._hit(line.text.lower()):
                self._apply(line, self._sub_patterns)

    def _apply(self, line: Line, substitute: Substitute) -> None:
        text = substitute(line.text)
        if text is not line.text and text != line.text:
            line.text = text
            self.redacted += 1

    def _sub_patterns(self, text: str) -> str:
        for pattern, replacement in self._patterns:
            text = pattern.sub(replacement, text)
        return text

    def _sub_own(self, text: str) -> str:
        for substitute in self._own:
            text = substitute(text)
        return text
