"""A configuration's text with what must not be shown blotted out; all else stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import yaml

_SECRET: Final = re.compile(r"(?i)(^|_)(password|passwd|secret|token|key|hash)$")
_USERINFO = re.compile(r"(://[^\s:/@'\"]*:)[^\s@'\"]+@")
_UNREADABLE = re.compile(  # with the deeper lines that belong to it
    r"(?im)^([ \t]*)(.*?(?:password|passwd|secret|token|key|hash)['\"]?\s*:\s*)"
    r"\S.*(?:\n\1[ \t]+.*)*"
)


def masked(text: str) -> str:
    """The text with literal secrets as `***`. Tagged values (`!secret name`) hold none.

    Of a text that is no YAML, the part that cannot be read is masked by the line.
    """
    parts: list[str] = []
    done = 0
    try:
        for start, end in _secrets(text):
            parts += [text[done:start], "***"]
            done = end
    except yaml.YAMLError:
        parts.append(_UNREADABLE.sub(r"\1\2***", text[done:]))
    else:
        parts.append(text[done:])
    return _USERINFO.sub(r"\1***@", "".join(parts))


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    """Where the values of secret keys stand."""
    key, expected = "", ""
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.KeyToken):
            expected = "key"
        elif isinstance(token, yaml.ValueToken):
            expected = "value"
        elif isinstance(token, yaml.ScalarToken):
            if expected == "key":
                key = token.value
            elif expected == "value" and _SECRET.search(key):
                yield token.start_mark.index, token.end_mark.index
            expected = ""
        else:  # a tag, an anchor, a collection: not a literal secret
            expected = ""
