"""Plain data of YAML text, and where each part of it was written."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

from towline.config.text import Text
from towline.errors import Problem

Path = tuple[Hashable, ...]

UNREAD: Final = object()
"""Stands where a value could not be read; its problem is told with the tree."""


@dataclass(slots=True)
class Place:
    """Where a value and its key begin, counted from one, and what stands inside it.

    `key_text` is where the key was written when that is another file: the value was included.
    """

    text: Text
    value: tuple[int, int]
    key: tuple[int, int]
    inner: dict[Hashable, Place] | None = None
    key_text: Text | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a tag stands, and the way to it."""

    path: Path
    place: Place


@dataclass(frozen=True, slots=True)
class Tree:
    """Plain data, where its parts were written, and what could not be read."""

    data: Any
    root: Place
    problems: tuple[Problem, ...] = ()

    def problem(
        self,
        code: str,
        text: str,
        path: Path,
        *,
        hint: str = "",
        at_key: bool = False,
        severity: str = "error",
    ) -> Problem:
        """A problem of the value (or key) at a path, or of the nearest parent that was written.

        What an included value lacks is told where it was written, not where it is included.
        """
        at = self.root
        lacks = code == "missing_key"
        for step in path:
            inner = at.inner.get(step) if at.inner else None
            if inner is None:
                at_key = lacks = True
                break
            at = inner
        text_of, place = at.text, at.value
        if at_key and not (lacks and at.key_text):
            text_of, place = at.key_text or at.text, at.key
        return text_of.problem(code, text, place, path=path, hint=hint, severity=severity)
