"""The schema as JSON Schema 2020-12, for editors. What is checked and what is shown is one thing.

It can say less than the schema: bounds of durations, names that must be defined, patterns of RE2.
"""

from __future__ import annotations

import json
from typing import Any, Final

import voluptuous as vol

from towline.config.compound import MOST_NAMES, NAME, ByType, Into, Listing, Mapping, Named
from towline.config.descriptions import DESCRIPTIONS, EXAMPLES, TITLE
from towline.config.kinds import Kinds
from towline.config.schema import RESTART, schema
from towline.config.shapes import INCLUDED, Either, Shape, shape_of
from towline.config.shapes import Named as Once

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_FILLED_IN: Final = frozenset({"device", "device.id"})
"""Required of what is checked, but not of an author: the host's name is the default."""


def json_schema(sources: Kinds, backends: Kinds) -> dict[str, Any]:
    """The JSON Schema of a file, for these kinds."""
    generator = _Generator()
    whole = generator.shape(schema(sources, backends), "")
    head = {"$schema": DIALECT, "title": TITLE, "description": DESCRIPTIONS[""]}
    return {**head, **whole, "$defs": dict(sorted(generator.parts.items()))}


def as_text(found: dict[str, Any]) -> str:
    """The schema as it is committed and printed."""
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


class _Generator:
    """Walks the schema; `parts` are shapes that are referred to by name."""

    def __init__(self) -> None:
        self.parts: dict[str, Shape] = {}

    def shape(self, validator: Any, path: str) -> Shape:
        """The shape of what a validator takes; `path` is the way to it as the docs write it."""
        match validator:
            case Into():
                return self.shape(validator.item, path)
            case Mapping():
                return self._mapping(validator, path)
            case Named():
                return self._names(validator, path)
            case Listing():
                return self._list(validator, path)
            case ByType():
                return self._kinds(validator, path)
            case _:
                return self._told(validator, path)

    def _told(self, validator: Any, path: str) -> Shape:
        shape = shape_of(validator)
        if shape is None:
            raise LookupError(f"{path}: its validator has no shape (config.shapes.shaped)")
        if isinstance(shape, Either):
            return {"anyOf": [self.shape(each, path) for each in shape.validators]}
        if isinstance(shape, Once):
            if shape.name not in self.parts:
                self.parts[shape.name] = {}  # it may refer to itself
                self.parts[shape.name] = self.shape(shape.validator(), shape.name)
            return {"$ref": f"#/$defs/{shape.name}"}
        return dict(shape)

    def _mapping(self, mapping: Mapping, path: str) -> Shape:
        pairs = [(key, item, f"{path}.{key}".lstrip(".")) for key, item in mapping.schema.items()]
        found = {
            "type": ["object", "string"],
            "pattern": INCLUDED,
            "properties": {
                str(key): self._property(key, item, below) for key, item, below in pairs
            },
            "additionalProperties": False,
        }
        required = [str(key) for key, _, below in pairs if _is_required(key, below)]
        return found | ({"required": required} if required else {})

    def _property(self, key: Any, item: Any, path: str) -> Shape:
        """What a key holds, and all that helps to write it. Without a value it is not written."""
        found = self.shape(item, path)
        if not _is_required(key, path):
            found = _or_nothing(found)
        if path in DESCRIPTIONS:
            found["description"] = DESCRIPTIONS[path]
        default = getattr(key, "default", vol.UNDEFINED)
        if not isinstance(default, vol.Undefined) and default() != {}:
            found["default"] = default()
        if path in EXAMPLES:
            found["examples"] = EXAMPLES[path]
        if path in RESTART:
            found["x-restart-required"] = True
        return found

    def _names(self, named: Named, path: str) -> Shape:
        return {
            "type": ["object", "string"],
            "pattern": INCLUDED,
            "propertyNames": {"pattern": f"^(?:{NAME.pattern})$"},
            "maxProperties": MOST_NAMES,
            "additionalProperties": self._item(named.item, f"{path}.<name>"),
        }

    def _list(self, listing: Listing, path: str) -> Shape:
        return {
            "type": ["array", "string"],
            "pattern": INCLUDED,
            "items": self._item(listing.item, f"{path}[]"),
            "minItems": listing.least,
            "maxItems": listing.most,
        }

    def _item(self, item: Any, path: str) -> Shape:
        """What each of many holds."""
        about = {"description": DESCRIPTIONS[path]} if path in DESCRIPTIONS else {}
        return self.shape(item, path) | about

    def _kinds(self, kinds: ByType, path: str) -> Shape:
        """One shape for each `type`, so that an editor offers only what that type knows."""
        chosen = []
        for word, kind in kinds.kinds.items():
            below = path.replace("<name>", f"<{word}>")
            part = self.shape(kind, below)
            kept = {key: value for key, value in part.items() if key not in ("type", "pattern")}
            kept["properties"] = {"type": {"const": word}, **kept["properties"]}
            kept["description"] = DESCRIPTIONS[below]
            self.parts[f"{path.partition('.')[0]}.{word}"] = kept
            reference = {"$ref": f"#/$defs/{path.partition('.')[0]}.{word}"}
            is_kind = {"properties": {"type": {"const": word}}, "required": ["type"]}
            chosen.append({"if": is_kind, "then": reference})
        words = {"enum": list(kinds.kinds), "description": DESCRIPTIONS[f"{path}.type"]}
        return {
            "type": ["object", "string"],
            "pattern": INCLUDED,
            "properties": {"type": words},
            "required": ["type"],
            "allOf": chosen,
        }


def _is_required(key: Any, path: str) -> bool:
    return isinstance(key, vol.Required) and path not in _FILLED_IN


def _or_nothing(shape: Shape) -> Shape:
    if "$ref" in shape:
        return {"anyOf": [shape, {"type": "null"}]}
    if "anyOf" in shape:
        return shape | {"anyOf": [*shape["anyOf"], {"type": "null"}]}
    held = shape["type"]
    return shape | {"type": [*([held] if isinstance(held, str) else held), "null"]}
