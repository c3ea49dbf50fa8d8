"""What a value looks like as JSON Schema, said beside the validator that checks it.

Editors see the words behind a tag as plain text. So each shape also takes the words of a tag: a
variable's name with its default, and, for our own tests, the tag itself (`!secret name`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

Shape = dict[str, Any]
V = TypeVar("V", bound=Callable[..., Any])

_TAG: Final = r"!\w+ .+|[A-Z_][A-Z0-9_]*(?: .+)?"
TAGGED: Final = f"^(?:{_TAG})$"
INCLUDED: Final = r"^(?:!\w+ .+|.*[./].*)$"
SECRET_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"

TEXT: Final[Shape] = {"type": ["string", "integer"]}


@dataclass(frozen=True, slots=True)
class Either:
    """The shape of what takes one of several validators' values."""

    validators: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """The shape of a validator, kept once under a name because it holds itself."""

    name: str
    validator: Callable[[], Any]


_shapes: WeakKeyDictionary[Any, Shape | Either | Named] = WeakKeyDictionary()


def shaped(shape: Shape | Either | Named) -> Callable[[V], V]:
    """Say what the values of a validator look like."""

    def remember(validator: V) -> V:
        _shapes[validator] = shape
        return validator

    return remember


def shape_of(validator: Any) -> Shape | Either | Named | None:
    """What was said of a validator."""
    return _shapes.get(validator)


def words(pattern: str) -> Shape:
    """Text that a pattern (ECMA 262) holds for as a whole."""
    return {"type": "string", "pattern": f"^(?:{pattern}|{_TAG})$"}


def one_of(*known: str) -> Shape:
    """One of these words; where digits make a word, a number is taken for it."""
    numbers = [int(word) for word in known if word.isdecimal()]
    return {"anyOf": [{"enum": [*known, *numbers]}, {"type": "string", "pattern": TAGGED}]}
