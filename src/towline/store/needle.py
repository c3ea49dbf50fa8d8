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
    """A search in the text of a block: the next match at or after a place, or None."""

    search: Callable[[bytes, int], Any]

    def rows(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Where the rows begin and end that may be asked for, in their order."""
        search, at = self.search, 0
        while (hit := search(text, at)) is not None:
            found = hit.start()
            start = text.rfind(b"\n", 0, found) + 1
            at = text.find(b"\n", found) + 1
            if not at:
                return
            yield start, at - 1


def needle_of(query: Query) -> Needle | None:
    """The needle of a query's text, else of its pattern, if it has one that can be looked for."""
    if query.text:
        pattern = _of_text(query.text)
    elif query.match.regex:
        pattern = rewritten(query.match.regex)
    else:
        return None
    return _compiled(pattern) if pattern else None


def _of_text(text: str) -> str:
    import re2

    if text == text.lower():
        text = text.rstrip("i")  # the lower case of a dotted capital I is two characters
        return f"(?i){re2.escape(_as_json(text))}" if text else ""
    return str(re2.escape(_as_json(text)))


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


def _compiled(pattern: str) -> Needle | None:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_nl = True
    options.max_mem = 8 << 20
    try:
        return Needle(re2.compile(pattern.encode(), options).search)
    except (re2.error, UnicodeEncodeError):
        return None
