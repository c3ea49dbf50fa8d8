"""Faults of values, placed where their author wrote them, and without a word of a secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import voluptuous as vol

from towline.config.environment import Names
from towline.config.faults import Fault
from towline.config.places import UNREAD, Path, Tree
from towline.config.settings import Secret
from towline.errors import Problem

_TELLTALE: Final = 4
_GENERAL: Final = "the secret that stands here is not what is expected"


def placed(tree: Tree, names: Names, data: Any, fault: vol.Invalid) -> Problem:
    """The problem of a fault: at its line, or at the variable that the value came from."""
    path = tuple(fault.path)
    code, text, hint, at_key, severity = "wrong_value", str(fault.msg), "", False, "error"
    if isinstance(fault, Fault):
        code, hint, at_key, severity = fault.code, fault.hint, fault.at_key, fault.severity
    if any(_tells(text + hint, secret) for secret in _secrets_at(data, path)):
        text, hint = _GENERAL, ""
    said = next((names[path[:end]] for end in range(len(path), 0, -1) if path[:end] in names), None)
    if said is None:
        return tree.problem(code, text, path, hint=hint, at_key=at_key, severity=severity)
    return Problem(
        code=code,
        text=f"{said.name}: {text}",
        path=path,
        source=said.source,
        hint=hint,
        severity=severity,
    )


def is_unread(data: Any, path: Iterable[Any]) -> bool:
    """Whether a fault is about a value that could not be read: of that the tree has spoken."""
    for step in path:
        if not isinstance(data, dict | list):
            break
        try:
            data = data[step]
        except (LookupError, TypeError):
            return False
    return data is UNREAD or (isinstance(data, list) and UNREAD in data)


def _secrets_at(data: Any, path: Path) -> Iterator[str]:
    """Secrets that a fault at a path may speak of: the value there, or those just inside it."""
    for step in path:
        try:
            data = data[step]
        except (LookupError, TypeError):
            break
    inside = data.values() if isinstance(data, dict) else data if isinstance(data, list) else [data]
    yield from (item.reveal() for item in inside if isinstance(item, Secret))


def _tells(text: str, secret: str) -> bool:
    """Whether a message shows a secret, or four of its characters in a row."""
    size = min(len(secret), _TELLTALE)
    pieces = (text[at : at + size] for at in range(len(text) - size + 1))
    return size > 0 and any(piece in secret for piece in pieces)
