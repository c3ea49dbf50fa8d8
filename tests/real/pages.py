"""What each app's folder has of the project's own: Home Assistant reads nothing outside of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

APPS = ("towline", "towline-full")
_SHOWN = re.compile(r"(?ms)^(?:configuration|network):$.*?(?=^\S|\Z)")


def wanted(root: Path) -> dict[Path, str]:
    """The copies, and what should stand in them."""
    found = {}
    for app in APPS:
        folder = root / "addon" / app
        found[folder / "CHANGELOG.md"] = (root / "CHANGELOG.md").read_text()
        for language in sorted((root / "translations").glob("*.yaml")):
            text = "".join(_SHOWN.findall(language.read_text()))
            found[folder / "translations" / language.name] = text
    return found


def copied(root: Path) -> Iterator[Path]:
    """Write those that differ, and tell which."""
    for path, text in wanted(root).items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            yield path
