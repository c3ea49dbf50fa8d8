"""A configuration's text with what must not be shown blotted out; all else stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import yaml

MASK: Final = "***"
_SECRET: Final = re.compile(r"(?i)(^|[_-])(password|passwd|secret|token|key|hash|authorization)$")
_USERINFO = re.compile(r"(://[^\s:/@'\"]*:)[^\s@'\"]+@")
_UNREADABLE = re.compile(  # with the deeper lines that belong to it
    r"(?im)^([ \t]*)(.*?(?:password|passwd|secret|token|key|hash|authorization)['\"]?\s*:\s*)"
    r"\S.*(?:\n\1[ \t]+.*)*"
)


def masked(text: str) -> str:
    """The text with literal secrets as `"***"`, still YAML. Tags (`!secret name`) hold none.

    Of a text that is no YAML, the part that cannot be read is masked by the line.
    """
    parts: list[str] = []
    done = 0
    try:
        for start, end in _secrets(text):
            newline = "\n" if text[start:end].endswith("\n") else ""  # of a block of lines
            parts += [text[done:start], f'"{MASK}"{newline}']
            done = end
    except yaml.YAMLError:
        parts.append(_UNREADABLE.sub(r"\1\2***", text[done:]))
    else:
        parts.append(text[done:])
    return _USERINFO.sub(r"\1***@", "".join(parts))


def unmasked(text: str, present: str) -> str:
    """A text that was edited as `masked` showed it, each `***` as it stands in `present`.

    Found again by its place in the tree: a masked value whose key was renamed or moved is gone.
    A text that is no YAML stays as it is; checking it says why.
    """
    if MASK not in text:
        return text
    try:
        values = dict(_literals(yaml.compose(present, Loader=yaml.SafeLoader), ()))
        places = list(_literals(yaml.compose(text, Loader=yaml.SafeLoader), ()))
    except (yaml.YAMLError, RecursionError):
        return text
    parts: list[str] = []
    done = 0
    for path, node in places:
        start, end = node.start_mark.index, node.end_mark.index
        known = values.get(path)
        if MASK in node.value and known is not None and masked_value(known.value) == node.value:
            written = present[known.start_mark.index : known.end_mark.index]
            if written.endswith("\n") and text[end : end + 1] == "\n":
                end += 1
            parts += [text[done:start], written]
            done = end
    return "".join([*parts, text[done:]])


def still_masked(text: str) -> bool:
    """Whether a value is nothing but a mask: to write that would lose a secret."""
    try:
        found = list(_literals(yaml.compose(text, Loader=yaml.SafeLoader), ()))
    except (yaml.YAMLError, RecursionError):
        return False
    return any(
        (node.value == MASK and _SECRET.search(str(path[-1]))) or f":{MASK}@" in node.value
        for path, node in found
        if path
    )


def masked_value(value: str) -> str:
    """What `masked` makes of a secret's value, or of an address with a password in it."""
    inside = _USERINFO.sub(rf"\1{MASK}@", value)
    return inside if inside != value else MASK


Path = tuple[str | int, ...]


def _literals(node: yaml.Node | None, path: Path) -> Iterator[tuple[Path, yaml.ScalarNode]]:
    if isinstance(node, yaml.ScalarNode):
        yield path, node
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _literals(item, (*path, index))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _literals(value, (*path, str(key.value)))


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
