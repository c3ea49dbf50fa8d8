"""What must not leave: tokens, passwords in addresses, e-mail addresses, patterns of the user's.

Every built-in rule knows a cheap sign of what it looks for, a few plain texts mostly. Lines are
looked at in blocks: only where a block shows a sign are its lines looked at, and only a line that
shows it meets the pattern. A block without any costs a few passes over its text.
Best effort: what a pattern does not describe stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from towline.config.settings import Redaction
from towline.errors import QueryError
from towline.pipeline.keys import HIDDEN, MARK, KeyBlocks
from towline.record import Line, Origin

Substitute = Callable[[str], str]
Sign = Callable[[str], object]

BLOCK: Final = 50
"""Lines that are searched for signs at once."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, its replacement, and the sign without which the pattern cannot match.

    A sign that folds is asked about text in lower case.
    """

    sign: Sign
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]
    folds: bool = False


def _any(*texts: str) -> Sign:
    def found(text: str) -> bool:
        for one in texts:  # noqa: SIM110 - a generator costs more than the search
            if one in text:
                return True
        return False

    return found


def _all(*texts: str) -> Sign:
    return lambda text: all(one in text for one in texts)


def _keep_json(found: re.Match[str]) -> str:
    """A quoted value stays quoted, a bare one of a quoted name becomes so: JSON stays JSON."""
    value = found["value"]
    if value[-1] in "\"'" and value[-1] in value[:-1]:
        quote = value[-2:] if value[-2] == "\\" else value[-1]
    else:
        quote = found["mark"] or ""
    return f"{found['name']}{quote}[REDACTED]{quote}"


_ASSIGNED = re.compile(
    r"""(?xi)
    (?P<name>
      (?:
        passw(?:or)?d(?![_-]?(?:reset|policy|file|less|expir|change))
      | passphrase
      | secret(?!ar|s?[_-]?(?:name|file|ref))(?:[ ]key)?
      | token(?!s|iz|[_-]?(?:type|count|limit|expir|ur[il]|endpoint|name|file))
      | (?:api|access|private)[ _-]?key(?![_-]?(?:id|name|file))
      | authorization
      )
      [\w-]{0,32} (?P<mark>\\?["'])? \s{0,3} (?:=>|[:=]) \s{0,3} \[?+
    )
    (?! >?[ ]?\[?REDACTED | Bearer[ ]\[ )
    (?! (?:null|none|nil|true|false|undefined) (?:[\s,;}\])"'] | $) )
    (?P<value>
      \\" [^"\\]{1,8192} \\"
    | [bru]{0,2}" (?:[^"\\]|\\.){1,8192}+ "
    | [bru]{0,2}' [^']{1,8192} '
    | (?:(?:Bearer|Basic|Digest|Token|ApiKey)[ ])?
      (?(mark) [^\s"',;&\\\[\]{}]{1,8192} | [^\s"',;&\\]{1,8192} )
    )
    """
)

GROUPS: Final[dict[str, tuple[Rule, ...]]] = {
    "tokens": (
        Rule(
            _any("eyJ"),
            re.compile(r"(?<![\w-])eyJ[\w-]{6,}+\.[\w-]{6,}+\.[\w-]*+"),
            "[REDACTED:jwt]",
        ),
        Rule(
            _any("AKIA", "ASIA"),
            re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
            "[REDACTED:aws]",
        ),
        Rule(
            re.compile("gh[pousr]_").search,
            re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}+"),
            "[REDACTED:github]",
        ),
        Rule(
            _any(MARK),
            re.compile(
                r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
                r"[A-Za-z0-9+/=\s\\]{0,16384}+"
                r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
            ),
            HIDDEN,
        ),
        Rule(
            _any("bearer "),
            re.compile(r"(?i)\bbearer +(?=[a-z_.~+/=-]{0,64}\d)[\w.~+/=-]{8,}+"),
            "Bearer [REDACTED]",
            folds=True,
        ),
        Rule(
            _any("pass", "secret", "token", "key", "authorization"),
            _ASSIGNED,
            _keep_json,
            folds=True,
        ),
    ),
    "urls": (
        Rule(
            _all("://", "@"),
            re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/@:]{0,128}:[^\s/\"']{1,256}@"),
            r"\1***@",
        ),
    ),
    "emails": (
        Rule(
            _any("@"),
            re.compile(
                r"(?<![\w.+-])(?!git@)[\w.+-]{1,64}+@(?:[A-Za-z0-9-]{1,63}\.){1,8}"
                r"(?!(?:service|socket|timer|target|mount|slice|scope|png|jpe?g|svg|webp)\b)"
                r"[A-Za-z]{2,24}\b"
            ),
            "[REDACTED:email]",
        ),
    ),
}
"""The groups that a file may name. Every pattern is linear: no repeat is entered twice."""


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
        self._rules = [rule for name in named if isinstance(name, str) for rule in GROUPS[name]]
        self._own = [own_rule(rule) for rule in named if isinstance(rule, Redaction)]
        self._keys = KeyBlocks() if "tokens" in named else None
        self.redacted = 0

    def __call__(self, lines: list[Line], origin: Origin) -> None:
        """Redact lines of one origin in place."""
        for start in range(0, len(lines), BLOCK):
            block = lines[start : start + BLOCK]
            changed = self._built_in(block, origin) if self._rules else set()
            for substitute in self._own:
                for position, line in enumerate(block):
                    if _replace(line, substitute(line.text)):
                        changed.add(position)
            self.redacted += len(changed)

    def _built_in(self, block: list[Line], origin: Origin) -> set[int]:
        changed: set[int] = set()
        text = "\n".join([line.text for line in block])
        folded = text.lower()
        if self._keys and self._keys.concerns(text):
            changed |= self._keys(block, origin)
        for rule in self._rules:
            if rule.sign(folded if rule.folds else text):
                changed |= _apply(rule, block)
        return changed


def _apply(rule: Rule, block: list[Line]) -> set[int]:
    return {
        position
        for position, line in enumerate(block)
        if rule.sign(line.text.lower() if rule.folds else line.text)
        and _replace(line, rule.pattern.sub(rule.replacement, line.text))
    }


def _replace(line: Line, text: str) -> bool:
    if text == line.text:
        return False
    line.text = text
    return True
