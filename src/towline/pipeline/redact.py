"""What must not leave: tokens, passwords in addresses, e-mail addresses, patterns of the user's.

Every built-in rule has needles, plain texts of which one must occur. Lines are searched for them
in blocks, as one text; only a line that holds a needle meets the rule's pattern. A block without
any costs a few passes over its text. Best effort: what a pattern does not describe stays.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from towline.config.pipeline import Redaction
from towline.config.replacement import filler
from towline.errors import QueryError
from towline.pipeline.keys import HIDDEN, MARK, KeyBlocks
from towline.record import Line, Origin

Substitute = Callable[[str], str]

BLOCK: Final = 100
"""Lines that are searched for needles at once."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, its replacement, and the needles without one of which it cannot match.

    Needles of a rule that folds are in lower case and found in any. `also` must occur as well.
    `sign` is a character that every hit holds: one is searched for a hundred times faster than a
    word, so where there is none the needles are not searched for. `glance` finds any of the needles
    in one pass: a pattern that begins with one certain letter is searched for fastest of all.
    """

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]
    folds: bool = False
    also: str = ""
    sign: str = ""
    glance: re.Pattern[str] | None = None


def _keep_json(found: re.Match[str]) -> str:
    """A quoted value stays quoted, a bare one of a quoted name becomes so: JSON stays JSON."""
    value = found["value"]
    if value[-1] in "\"'":
        quote = '\\"' if value[0] == "\\" else value[-1]
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
      \\" (?:[^"\\] | \\\\(?:\\["\\] | [^"\\])){1,8192}+ \\"
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
            ("eyJ",),
            re.compile(r"(?<![\w-])eyJ[\w-]{6,}+\.[\w-]{6,}+\.[\w-]*+"),
            "[REDACTED:jwt]",
            sign="J",
        ),
        Rule(
            ("AKIA", "ASIA"),
            re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
            "[REDACTED:aws]",
            glance=re.compile("A[KS]IA"),
        ),
        Rule(
            ("gh",),
            re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}+"),
            "[REDACTED:github]",
            sign="_",
        ),
        Rule(
            (MARK,),
            re.compile(
                r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
                r"[A-Za-z0-9+/=\s\\]{0,16384}+"
                r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
            ),
            HIDDEN,
        ),
        Rule(
            ("bearer ",),
            re.compile(r"(?i)\bbearer +(?=[a-z_.~+/=-]{0,64}\d)[\w.~+/=-]{8,}+"),
            "Bearer [REDACTED]",
            folds=True,
        ),
        Rule(
            ("pass", "secret", "token", "key", "authorization"),
            _ASSIGNED,
            _keep_json,
            folds=True,
        ),
    ),
    "urls": (
        Rule(
            ("://",),
            re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/@:]{0,128}:[^\s/\"']{1,256}@"),
            r"\1***@",
            also="@",
            sign="@",
        ),
    ),
    "emails": (
        Rule(
            ("@",),
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
    replacement = filler(rule.replacement, compiled)
    return lambda text: compiled.sub(replacement, text)


class Redactor:
    """The redaction step of one configuration; counts the lines it changed in `redacted`."""

    def __init__(self, rules: Iterable[str | Redaction]) -> None:
        named = list(rules)
        self._rules = [rule for name in named if isinstance(name, str) for rule in GROUPS[name]]
        self._own = [own_rule(rule) for rule in named if isinstance(rule, Redaction)]
        self._keys = KeyBlocks() if "tokens" in named else None  # it looks for `MARK` itself
        self._glances = [rule.glance.search for rule in self._rules if rule.glance]
        exact = [rule for rule in self._rules if not (rule.folds or rule.glance)]
        self._exact = [(rule.sign, text) for rule in exact for text in rule.needles if text != MARK]
        self._folded = [text for rule in self._rules if rule.folds for text in rule.needles]
        self.redacted = 0

    def __call__(self, lines: list[Line], origin: Origin) -> None:
        """Redact lines of one origin in place."""
        for start in range(0, len(lines), BLOCK):
            block = lines[start : start + BLOCK] if len(lines) > BLOCK else lines
            changed = self._built_in(block, origin) if self._rules else set()
            for substitute in self._own:
                for position, line in enumerate(block):
                    if _replace(line, substitute(line.text)):
                        changed.add(position)
            if changed:
                self.redacted += len(changed)

    def _built_in(self, block: list[Line], origin: Origin) -> set[int]:
        texts = [line.text for line in block]
        exact = "\n".join(texts) if len(texts) > 1 else texts[0]
        folded = exact.lower()
        changed: set[int] = set()
        if self._keys and self._keys.concerns(exact):
            changed = self._keys(block, origin)
        elif not self._is_suspect(exact, folded):
            return changed
        starts = _starts(texts)
        # a few characters become two in lower case
        moved = starts if len(folded) == len(exact) else _starts(map(str.lower, texts))
        for rule in self._rules:
            held = _holding(rule.needles, *((folded, moved) if rule.folds else (exact, starts)))
            changed |= {position for position in held if _apply(rule, block[position])}
        return changed

    def _is_suspect(self, exact: str, folded: str) -> bool:
        """Whether a text holds a needle. Plain loops: `any` takes half as much time again."""
        for sign, needle in self._exact:
            if sign in exact and needle in exact:
                return True
        for glance in self._glances:
            if glance(exact):
                return True
        for needle in self._folded:  # noqa: SIM110 - see above
            if needle in folded:
                return True
        return False


def _starts(texts: Iterable[str]) -> list[int]:
    """Where each text begins when they are joined by one character, and where one more would."""
    return list(accumulate((len(text) + 1 for text in texts), initial=0))


def _holding(needles: tuple[str, ...], text: str, starts: list[int]) -> set[int]:
    """Which of the lines that `text` is joined of hold a needle."""
    held: set[int] = set()
    for needle in needles:
        at = text.find(needle)
        while at >= 0:
            position = bisect_right(starts, at) - 1
            held.add(position)
            at = text.find(needle, starts[position + 1])
    return held


def _apply(rule: Rule, line: Line) -> bool:
    return rule.also in line.text and _replace(line, rule.pattern.sub(rule.replacement, line.text))


def _replace(line: Line, text: str) -> bool:
    if text == line.text:
        return False
    line.text = text
    return True
