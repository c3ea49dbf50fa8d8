"""What must stand in a row's bytes if a query asks for the record: found without decoding rows.

A needle may find too much and never too little. It is RE2's, which looks through a block of
rows at the speed of memory and lets other threads run meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from towline.store.query import Query
from towline.store.words import END, MESSAGE

_HEAD: Final = b'","message":"'
_CASELESS: Final = re.compile(r"[ -@\[-`{-~]+")
_MANY: Final = 4
"""Digits that make a part of a text rare enough to be looked for alone, without regard to case."""

# how JSON writes a character that it does not write as itself; no newline stands in a row
_ESCAPE: Final = r"\\(?:u[0-9a-f]{4}|.)"
_SAFE_CLASS: Final = re.compile(
    r"\[(?:[A-Z]-[A-Z]|[a-z]-[a-z]|[0-9]-[0-9]|[\w =/,:;<>@#%&~!.+*?()|{}$]|\\[dw.\-/])+-?\]",
    re.ASCII,
)
_TOKEN: Final = re.compile(
    r"""
    (?P<plain> [\w\ \-=/,:;<>@\#%&'~!`] | [^\x00-\x7f] | \\[dw]
             | \\[.+*?()|\[\]{}^$\-/:,=_@\#%&!~] )
  | (?P<edge>  \^ | \$ | \\[AzbB] )
  | (?P<class> \[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\] )
  | (?P<wide>  \. | " | \\[\\"sSDWntrfva] | \\[pP](?:\w|\{\^?\w+\}) )
  | (?P<group> \((?:\?(?:P?<\w+>|[imsU-]*:|[imsU-]+(?=\))))? )
  | (?P<rest>  \) | \| | [*+?]\?? | \{\d+(?:,\d*)?\}\?? )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Needle:
    """A search in the text of a block: the next match at or after a place, or None.

    `lowered`: it is looked for in the text's lower case.
    """

    search: Callable[[bytes, int], Any]
    lowered: bool = False

    def rows(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Where the rows begin and end that may be asked for, in their order.

        What is found in a row's other members is passed by without a look at the row.
        """
        search, at = self.search, 0
        looked_at = text.lower() if self.lowered else text
        while (hit := search(looked_at, at)) is not None:
            found = hit.start()
            start = text.rfind(b"\n", 0, found) + 1
            message = start + MESSAGE
            ours = text.startswith(_HEAD, message - len(_HEAD))
            if ours and found < message:
                at = message
                continue
            end = text.find(b"\n", found)
            if end < 0:
                return
            # an empty match at the message's very end still counts
            if not ours or text.find(END, message, found + len(END) - 1) < 0:
                yield start, end
            at = end + 1


def needle_of(query: Query) -> Needle | None:
    """The needle of a query's text, else of its pattern, if it has one that can be looked for."""
    if query.text:
        return _of_text(query.text)
    if query.match.regex and (pattern := rewritten(query.match.regex)):
        return _compiled(pattern)
    return None


def _of_text(text: str) -> Needle | None:
    import re2

    if text != text.lower():
        return _compiled(str(re2.escape(_as_json(text))))
    number = max(_CASELESS.findall(text), key=_digits, default="")
    if _digits(number) >= _MANY:
        return _compiled(str(re2.escape(_as_json(number))))
    text = text.rstrip("i")  # the lower case of a dotted capital I is two characters
    if not text:
        return None
    pattern = str(re2.escape(_as_json(text)))
    if text.isascii() and "k" not in text:  # the sign of Kelvin is a k in lower case
        return _compiled(pattern, lowered=True)
    return _compiled(f"(?i){pattern}")


def _digits(text: str) -> int:
    return sum(char.isdigit() for char in text)


def _as_json(text: str) -> str:
    return msgspec.json.encode(text)[1:-1].decode()


def rewritten(pattern: str) -> str:
    """A pattern that finds every row whose message the given one finds; empty where none is known.

    Edges of the text and of words are left out, for an escape ends with a letter or a digit.
    Whatever might match a character that JSON writes as an escape may match that escape instead.
    """
    made: list[str] = []
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            return ""
        made.append(_REWRITE[str(token.lastgroup)](token[0]))
        at = token.end()
    return "".join(made)


def literals_of(query: Query) -> list[str]:
    """Texts that every message asked for holds, in some case."""
    return [query.text, *_required(query.match.regex)]


def _required(pattern: str) -> list[str]:
    """Runs of letters that a pattern cannot do without; none where that is not plain to see."""
    runs, at, depth = [""], 0, 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None or (depth == 0 and token[0] == "|"):
            return []
        kind, text, at = str(token.lastgroup), token[0], token.end()
        depth += (kind == "group") - (text == ")")
        if kind == "rest" and text[0] in "*?{":
            runs[-1] = runs[-1][:-1]  # what it follows may be missing
        if kind == "plain" and text not in {r"\d", r"\w"} and depth == 0:
            runs[-1] += text[-1]
        else:
            runs.append("")
    return runs


def _class(text: str) -> str:
    return text if _SAFE_CLASS.fullmatch(text) else f"(?:{text}|{_ESCAPE})"


_REWRITE: Final[dict[str, Callable[[str], str]]] = {
    "plain": str,
    "edge": lambda _: "(?:)",
    "class": _class,
    "wide": lambda text: f"(?:{text}|{_ESCAPE})",
    "group": str,
    "rest": str,
}


def _compiled(pattern: str, *, lowered: bool = False) -> Needle | None:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_nl = True
    options.max_mem = 8 << 20
    try:
        return Needle(re2.compile(pattern.encode(), options).search, lowered)
    except (re2.error, UnicodeEncodeError):
        return None
