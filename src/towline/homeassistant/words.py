"""Names and messages in a person's language, from `translations/`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

_PACKAGED: Final = Path(__file__).parents[1] / "translations"
_CHECKOUT: Final = Path(__file__).parents[3] / "translations"


@cache
def language(code: str) -> Mapping[str, Any]:
    """Everything that is said in a language; `FileNotFoundError` for one that there is not."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    found: Mapping[str, Any] = yaml.safe_load((folder / f"{code}.yaml").read_text("utf-8"))
    return found


class Words:
    """One language."""

    def __init__(self, code: str) -> None:
        self._found = language(code)

    def entity(self, key: str, **given: str) -> str:
        """The name of an entity."""
        return str(self._found["entities"][key]).format(**given)

    def message(self, key: str, **given: str) -> str:
        """A message."""
        return str(self._found["messages"][key]).format(**given)
