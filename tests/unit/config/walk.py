"""Every key that a schema knows, with its default as a user would write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import voluptuous as vol

from towline.config.compound import ByType, Into, Listing, Mapping, Named

REQUIRED: Final = "required"
NONE: Final = None


def walk(validator: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """`path, default` of every key; kinds are told apart as `sources.<docker>.url`."""
    if isinstance(validator, Into):
        yield from walk(validator.item, path)
    elif isinstance(validator, Named):
        yield from walk(validator.item, f"{path}.<name>")
    elif isinstance(validator, Listing):
        yield from walk(validator.item, f"{path}[]")
    elif isinstance(validator, ByType):
        for word, kind in validator.kinds.items():
            yield from walk(kind, path.replace("<name>", f"<{word}>"))
    elif isinstance(validator, Mapping):
        for key, item in validator.schema.items():
            below = f"{path}.{key}".lstrip(".")
            inner = list(walk(item, below))
            if not isinstance(item, Named | ByType) and not (inner and _default(key) == {}):
                yield below, _default(key)
            yield from inner


def _default(key: Any) -> Any:
    if isinstance(key, vol.Required):
        return REQUIRED
    default = getattr(key, "default", vol.UNDEFINED)
    return NONE if isinstance(default, vol.Undefined) else default()
