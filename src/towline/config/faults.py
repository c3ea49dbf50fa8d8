"""What is wrong with one value, in words for people."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from difflib import get_close_matches

import voluptuous as vol

_LONGEST_SUGGESTION = 40


class Fault(vol.Invalid):  # type: ignore[misc, unused-ignore]
    """What is wrong with one value. `at_key`: the key is the offender, not what it holds.

    `severity` is `error`, or `warning` for what is odd and yet can be used.

    The nearest of `known` words to `word` is looked for only when somebody reads `hint`: a file
    may hold thousands of faults, of which few are shown.
    """

    def __init__(
        self,
        code: str,
        text: str,
        *,
        path: Iterable[Hashable] = (),
        hint: str = "",
        word: object = "",
        known: Iterable[str] = (),
        at_key: bool = False,
        severity: str = "error",
    ) -> None:
        super().__init__(text, list(path))
        self.code = code
        self.at_key = at_key
        self.severity = severity
        self._hint = hint
        self._word = word
        self._known = tuple(known)

    @property
    def hint(self) -> str:
        """The remedy, or the nearest word that would have done."""
        return self._hint or suggestion(self._word, self._known)


def suggestion(word: object, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or nothing when no known word is near."""
    text = str(word)
    if not text or len(text) > _LONGEST_SUGGESTION:
        return ""
    near = get_close_matches(text.lower(), list(known), 1)
    return f"did you mean {near[0]!r}?" if near else ""


def shown(value: object) -> str:
    """A value as an error message may show it: short, and never a secret."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST_SUGGESTION else repr(value[:37] + "...")
    names = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return names.get(type(value), "a value that could not be read")


def expected(what: str, value: object, *, hint: str = "") -> Fault:
    """The fault of a value that is not what was expected."""
    return Fault("wrong_value", f"expected {what}, not {shown(value)}", hint=hint)
