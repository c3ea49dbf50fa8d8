"""What libyaml says of text that is not YAML, said so that its author can mend it."""

from __future__ import annotations

from typing import Final

import yaml

from towline.config.text import Text
from towline.errors import Problem

_TAB = "a tab; YAML is indented with spaces"

# (what libyaml says, in words for people, hint, whether the fault shows where the part began)
_WORDS: Final[tuple[tuple[str, str, str, bool], ...]] = (
    (
        "mapping values are not allowed",
        "a colon where no key can stand",
        "indent the line like its neighbours, or put text that holds ': ' in quotes",
        False,
    ),
    ("a tab character", _TAB, "", False),
    (
        "cannot start any token",
        "a character that cannot begin a value",
        "put text that begins with one of @ ` % in quotes",
        False,
    ),
    ("unexpected end of stream", "a quote that is never closed", "", True),
    ("did not find expected ',' or ']'", "a list [ ] that is never closed", "", True),
    ("did not find expected ',' or '}'", "a mapping { } that is never closed", "", True),
    (
        "did not find expected '-' indicator",
        "expected another list item that begins with '- '",
        "indent the line like its neighbours",
        False,
    ),
    (
        "did not find expected key",
        "expected a key",
        "indent the line like its neighbours",
        False,
    ),
    (
        "could not find expected ':'",
        "expected a colon and a space after a key",
        "write key: value",
        True,
    ),
    (
        "unknown escape character",
        "an escape that YAML does not know",
        "in double quotes a backslash is written \\\\; single quotes keep it as it is",
        False,
    ),
    ("undefined tag handle", "an unknown tag", "", False),
    ("incompatible YAML document", "a version of YAML that is not understood", "", False),
)


def syntax_problem(text: Text, error: yaml.YAMLError) -> Problem:
    """The problem behind an error of the YAML parser."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return text.problem("syntax", f"not YAML: {error}", (1, 1))
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if text.is_tab_indented(place[0]):
        return text.problem("tab", _TAB, place)
    for said, words, hint, at_start in _WORDS:
        if said in (error.problem or ""):
            if at_start and error.context_mark:
                place = (error.context_mark.line + 1, error.context_mark.column + 1)
            return text.problem("syntax", words, place, hint=hint)
    return text.problem("syntax", f"not YAML: {error.problem}", place)
