"""One mapping of a configuration changed where it stands; every other byte stays as it is.

Comments, order, quotes and tags are the author's. So values are cut out and put in by their place
in the text, and nothing is written anew that has not changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from towline.config.scalars import plain_value
from towline.config.text import read_text
from towline.config.tree import parse
from towline.errors import ConfigError, EditError

MASK: Final = "***"
_PRIVATE: Final = re.compile(r"(?i)(^|_)(password|passwd|secret|token|key|hash)$")
_HIDING: Final = frozenset({"!secret", "!encrypted"})
_TAGS: Final = ("!secret", "!encrypted", "!env_var", "!include", "!include_dir_named")
_ANY_TAG: Final = dict.fromkeys(_TAGS, lambda words, _: words)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*|\d+(?:ms|s|m|h|d)")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})

Way = tuple[str, ...]


class Tagged(str):
    """A value that is written as a tag and its words: `!encrypted token`."""

    __slots__ = ()


def shown(text: str, way: Way) -> dict[str, Any] | None:
    """What stands at a mapping, secrets masked, other tags as their words; None: nothing does.

    `EditError` where it is not written in this text, or not as a mapping.
    """
    node = _found(_composed(text), way)
    return None if node is None else _shown_mapping(_mapping(node, way))


def edited(text: str, way: Way, wanted: Mapping[str, Any]) -> str:
    """The text with a mapping that says `wanted`; what equals `shown` is not touched.

    `EditError` where that cannot be done without touching more.
    """
    if strange := [name for name in (*way, *_names(wanted)) if not _NAME.fullmatch(name)]:
        raise EditError("not_editable", f"{strange[0]!r} is no key")
    root = _composed(text)
    node = _found(root, way)
    if node is None:
        changed = _added(text, _mapping(root, ()), way, wanted)
    else:
        pieces = list(_changes(text, _mapping(node, way), wanted))
        changed = _replaced(text, pieces)
    try:
        is_said = shown(changed, way) == _masked(wanted)
    except (ConfigError, yaml.YAMLError):
        is_said = False
    if not is_said:
        raise EditError("not_editable", f"{'.'.join(way)}: please edit the file by hand")
    return changed


def _names(wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        yield name
        if isinstance(value, Mapping):
            yield from _names(value)


def _composed(text: str) -> yaml.Node:
    parse(read_text(text), _ANY_TAG)  # bounds: composing recurses
    found: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return found or yaml.MappingNode("", [])


def _found(node: yaml.Node, way: Way) -> yaml.Node | None:
    for at, key in enumerate(way):
        if _is_nothing(node):
            return None
        value = _pairs(_mapping(node, way[:at])).get(key)
        if value is None:
            return None
        node = value[1]
    return None if _is_nothing(node) else node


def _is_nothing(node: yaml.Node) -> bool:
    plain = isinstance(node, yaml.ScalarNode) and not node.tag.startswith("!")
    return plain and plain_value(node.value) is None


def _mapping(node: yaml.Node, way: Way) -> yaml.MappingNode:
    if isinstance(node, yaml.MappingNode):
        return node
    if node.tag.startswith("!include"):
        raise EditError("included", f"{'.'.join(way)} comes from another file: edit it there")
    raise EditError("not_editable", f"{'.'.join(way)} is no mapping: edit the file by hand")


def _pairs(node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    return {str(key.value): (key, value) for key, value in node.value}


def _shown_mapping(node: yaml.MappingNode) -> dict[str, Any]:
    return {
        name: MASK if _PRIVATE.search(name) else _shown(value)
        for name, (_, value) in _pairs(node).items()
        if name != "<<"
    }


def _shown(node: yaml.Node) -> Any:
    if node.tag.startswith("!"):
        return MASK if node.tag in _HIDING else f"{node.tag} {node.value}"
    if isinstance(node, yaml.MappingNode):
        return _shown_mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_shown(item) for item in node.value]
    quoted = isinstance(node, yaml.ScalarNode) and node.style
    return node.value if quoted else plain_value(node.value)


def _masked(wanted: Mapping[str, Any]) -> dict[str, Any]:
    def masked(name: str, value: Any) -> Any:
        if _PRIVATE.search(name) or isinstance(value, Tagged):
            return MASK
        return _masked(value) if isinstance(value, Mapping) else value

    return {name: masked(name, value) for name, value in wanted.items()}


Piece = tuple[int, int, str]
"""From where to where in the text, and what stands there from now on."""


def _changes(text: str, node: yaml.MappingNode, wanted: Mapping[str, Any]) -> Iterator[Piece]:
    present, pairs = _shown_mapping(node), _pairs(node)
    if node.flow_style and present.keys() != wanted.keys():
        yield node.start_mark.index, node.end_mark.index, _flow_rewritten(text, node, wanted)
        return
    for name, (key, value) in pairs.items():
        begin, end = _span(text, key, value)
        if name == "<<" or (name in wanted and present[name] == wanted[name]):
            continue
        if name not in wanted:
            start = text.rfind("\n", 0, key.start_mark.index) + 1
            yield start, _line_end(text, end) + 1, ""
        elif isinstance(value, yaml.MappingNode) and isinstance(wanted[name], Mapping):
            if wanted[name]:
                yield from _changes(text, value, wanted[name])
            else:
                yield begin, end, ": {}"
        else:
            yield begin, end, f": {_flow(wanted[name])}"
    fresh = {name: value for name, value in wanted.items() if name not in pairs}
    if fresh:
        last = max((_span(text, *pair)[1] for pair in pairs.values()), default=0)
        at = _line_end(text, last)
        indent = node.start_mark.column
        yield at, at, "".join(f"\n{line}" for line in _block(fresh, indent))


def _flow_rewritten(text: str, node: yaml.MappingNode, wanted: Mapping[str, Any]) -> str:
    present, pairs = _shown_mapping(node), _pairs(node)
    parts = []
    for name, value in wanted.items():
        if name in pairs and present[name] == value:
            key, held = pairs[name]
            begin, end = _span(text, key, held)
            parts.append(f"{text[key.start_mark.index : begin]}{text[begin:end]}")
        else:
            parts.append(f"{name}: {_flow(value)}")
    if "<<" in pairs:
        key, held = pairs["<<"]
        parts.insert(0, text[key.start_mark.index : _span(text, key, held)[1]])
    return "{" + ", ".join(parts) + "}"


def _span(text: str, key: yaml.Node, value: yaml.Node) -> tuple[int, int]:
    """From behind the key to the end of its value."""
    begin, end = key.end_mark.index, _end(text, value)
    if value.start_mark.index < begin:
        raise EditError("not_editable", f"{key.value} is an alias: edit the file by hand")
    if end <= begin:  # nothing is written there
        end = text.index(":", begin) + 1
    return begin, end


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends. libyaml's mark of a block is where the next thing begins."""
    end = int(node.end_mark.index)
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, value = last if isinstance(last, tuple) else (last, last)
        return max(_end(text, value), int(key.end_mark.index))
    return len(text[:end].rstrip()) if isinstance(node, yaml.ScalarNode) and node.value else end


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def _added(text: str, root: yaml.MappingNode, way: Way, wanted: Mapping[str, Any]) -> str:
    """The mapping is not there yet: add it where its siblings stand."""
    section = _pairs(root).get(way[0])
    value: Any = dict(wanted)
    for name in reversed(way[1:]):
        value = {name: value}
    if section is None:
        lines = _block({way[0]: value}, 0)
        return "\n".join([text.rstrip("\n"), "", *lines, ""])
    key, node = section
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        last = max(_span(text, *pair)[1] for pair in node.value)
        at = _line_end(text, last)
        lines = _block(value, node.start_mark.column)
        return _replaced(text, [(at, at, "".join(f"\n{line}" for line in lines))])
    if isinstance(node, yaml.MappingNode) and node.value:
        inside = text[node.start_mark.index : node.end_mark.index - 1].rstrip().rstrip(",")
        fresh = ", ".join(f"{name}: {_flow(each)}" for name, each in value.items())
        return _replaced(
            text, [(node.start_mark.index, node.end_mark.index, f"{inside}, {fresh}}}")]
        )
    if not (_is_nothing(node) or isinstance(node, yaml.MappingNode)):
        _mapping(node, way[:1])
    begin, end = _span(text, key, node)
    return _replaced(text, [(begin, end, ":" + "".join(f"\n{x}" for x in _block(value, 2)))])


def _replaced(text: str, pieces: list[Piece]) -> str:
    parts, done = [], 0
    for begin, end, fresh in sorted(pieces, key=lambda piece: piece[:2]):
        parts += [text[done:begin], fresh]
        done = end
    return "".join([*parts, text[done:]])


def _block(values: Mapping[str, Any], indent: int) -> list[str]:
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{' ' * indent}{name}:", *_block(value, indent + 2)]
        else:
            lines.append(f"{' ' * indent}{name}: {_flow(value)}")
    return lines


def _flow(value: Any) -> str:
    if value == MASK:
        raise EditError("masked_value", f"{MASK} stands for no value here: write it out")
    if isinstance(value, Tagged):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_flow(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())
