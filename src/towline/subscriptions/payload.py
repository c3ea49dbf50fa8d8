"""What stands in a message: its JSON by dotted paths, and whether conditions hold. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from towline.config.subscriptions import Condition

LONGEST: Final = 4000
"""Characters of one value that go into a template."""

MOST: Final = 256
DEEPEST: Final = 8
"""How many values of a payload templates may name, and how deep they may lie."""

NOTHING: Final = object()
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Payload:
    """A payload as text and, where it is JSON, as a document; each is made once, when asked for."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._text: str | None = None
        self._document: Any = self

    @property
    def text(self) -> str:
        """As text; what is no UTF-8 is replaced."""
        if self._text is None:
            self._text = self._octets.decode(errors="replace")
        return self._text

    @property
    def document(self) -> Any:
        """As JSON, or `NOTHING`."""
        if self._document is self:
            try:
                self._document = _decode(self._octets)
            except (msgspec.DecodeError, RecursionError, ValueError):
                self._document = NOTHING
        return self._document

    def at(self, path: str) -> Any:
        """What stands at a dotted path, or `NOTHING`; a number counts the items of a list."""
        found = self.document
        for key in path.split("."):
            if isinstance(found, dict):
                found = found.get(key, NOTHING)
            elif isinstance(found, list) and key.isascii() and key.isdigit() and len(key) < 10:
                found = found[int(key)] if int(key) < len(found) else NOTHING
            else:
                return NOTHING
        return found

    def words(self) -> dict[str, str]:
        """Values by their paths, for templates: `fields.args.service`."""
        held = self.document
        if not isinstance(held, dict | list):
            return {}
        pairs = _leaves(held, "fields", DEEPEST)
        return {path: as_text(value)[:LONGEST] for path, value in _first(pairs, MOST)}


def as_text(value: Any) -> str:
    """A value of JSON as a text: a text is itself, everything else as JSON writes it."""
    return value if isinstance(value, str) else _encode(value).decode()


def _first(pairs: Iterator[tuple[str, Any]], most: int) -> Iterator[tuple[str, Any]]:
    for _, pair in zip(range(most), pairs, strict=False):
        yield pair


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list) and value and depth:
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in inner:
            yield from _leaves(item, f"{path}.{key}", depth - 1)
    elif not isinstance(value, dict | list):
        yield path, value


Test = Callable[[Payload], bool]


def compiled(conditions: Sequence[Condition]) -> Test:
    """Whether every condition holds of a payload."""
    tests = [_compiled(condition) for condition in conditions]
    return lambda payload: all(test(payload) for test in tests)


def _compiled(condition: Condition) -> Test:
    wanted = _of_a_text(condition)
    if not condition.path:
        return lambda payload: wanted(payload.text)

    def holds(payload: Payload) -> bool:
        found = payload.at(condition.path)
        return found is not NOTHING and wanted(as_text(found))

    return holds


def _of_a_text(condition: Condition) -> Callable[[str], bool]:
    if condition.equals is not None:
        return lambda text: text == condition.equals
    if condition.regex is not None:
        from towline.pipeline.match import compile_regex  # RE2 costs memory

        search = compile_regex(condition.regex)
        return lambda text: search(text) is not None
    return lambda _: True
