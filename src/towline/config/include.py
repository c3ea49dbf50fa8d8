"""The files of one configuration: a text, what it includes, and what its tags stand for.

Every file goes through the reader that was handed in, so that a watcher knows them all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from towline.config.encrypted import Keys
from towline.config.faults import Fault
from towline.config.places import UNREAD, Place, Spot, Tree
from towline.config.reader import Read, names, real
from towline.config.secrets import SECRETS, Secrets
from towline.config.tags import env_var
from towline.config.text import Text, read_text
from towline.config.tree import Budget, Tag, parse
from towline.errors import ConfigError, Problem

MOST_DEPTH: Final = 16
MOST_FILES: Final = 1000
MOST_OCTETS: Final = 4 << 20
_COST: Final = 20
"""An attempt to include, in values: that many take as long to read."""

_WORDS = re.compile(r"[^\x00-\x1f\x7f\\]{1,512}")
_ENDINGS: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class _Here:
    """The folder of a file that is read, and the files that led to it, itself the last."""

    folder: Path
    trail: tuple[Path, ...]


class Reading:
    """One configuration while it is read.

    `top` is the configuration folder: outside of it nothing is included and no secret looked for,
    but in the folder `private`.
    """

    def __init__(
        self,
        read: Read,
        top: Path,
        environment: Mapping[str, str],
        warn: Callable[[Problem], None],
        private: Path | None = None,
    ) -> None:
        self._read = read
        self._top = top
        self._private = [private] if private else []
        self._env_var = env_var(environment)
        self._encrypted = Keys(read, private or top, environment).tag
        self._budget = Budget()
        self.secrets = Secrets(read, self._encrypted, warn)

    def tree(self, text: Text, folder: Path) -> Tree:
        """A text as it stands in a folder, with all that it includes."""
        trail = (real(self._read, Path(text.file)),) if text.file else ()
        return self._tree(text, _Here(folder, trail), ())

    def _tree(self, text: Text, here: _Here, at: tuple[Any, ...]) -> Tree:
        tags: dict[str, Tag] = {
            "!secret": self.secrets.tag([*self._folders(here.folder), *self._private]),
            "!env_var": self._env_var,
            "!encrypted": self._encrypted,
            "!include": lambda words, spot: self._include(here, words, spot),
            "!include_dir_named": lambda words, spot: self._include_folder(here, words, spot),
        }
        return parse(text, tags, at=at, budget=self._budget)

    def _include(self, here: _Here, words: str, spot: Spot) -> Tree:
        self._budget.nodes += _COST
        if not words.endswith(_ENDINGS):
            raise Fault("wrong_value", f"expected the name of a .yaml file, not {words[:40]!r}")
        if os.path.basename(words) == SECRETS:
            hint = "write !secret with the name of one secret"
            raise Fault("wrong_value", "files of secrets are not included", hint=hint)
        for file in self._candidates(here, words):
            try:
                data = self._read(file)
            except ConfigError as exc:
                return Tree(UNREAD, spot.place, tuple(exc.problems))
            if data is not None:
                return self._grafted(here, file, data, spot.path)
        raise self._missing(here, words, "file")

    def _include_folder(self, here: _Here, words: str, spot: Spot) -> Tree:
        self._budget.nodes += _COST
        for folder in self._candidates(here, words):
            try:
                found = names(self._read, folder)
            except ConfigError as exc:
                return Tree(UNREAD, spot.place, tuple(exc.problems))
            if found is not None:
                return self._together(here, folder, found, spot)
        raise self._missing(here, words, "folder")

    def _together(self, here: _Here, folder: Path, found: list[str], spot: Spot) -> Tree:
        """The files of a folder, each under its name without the ending."""
        data: dict[str, Any] = {}
        inner: dict[Any, Place] = {}
        problems: list[Problem] = []
        for name in found:
            if name == SECRETS:
                continue
            file, stem = folder / name, name.removesuffix(".yaml")
            self._inside(file)
            content = self._read(file)
            if content is None:  # it has gone since the folder was looked at
                continue
            tree = self._grafted(here, file, content, (*spot.path, stem))
            data[stem], inner[stem] = tree.data, tree.root
            problems += tree.problems
        place = spot.place
        return Tree(data, Place(place.text, place.value, place.key, inner), tuple(problems))

    def _grafted(self, here: _Here, file: Path, data: bytes, at: tuple[Any, ...]) -> Tree:
        """What an included file holds; its own syntax errors are among the tree's problems."""
        self._allow(here, file, len(data))
        top = Text("", str(file))
        try:
            text = top = read_text(data, str(file))
            trail = (*here.trail, real(self._read, file))
            tree = self._tree(text, _Here(file.parent, trail), at)
        except ConfigError as exc:
            return Tree(UNREAD, Place(top, (1, 1), (1, 1)), tuple(exc.problems))
        return tree

    def _allow(self, here: _Here, file: Path, octets: int) -> None:
        if real(self._read, file) in here.trail:
            way = " → ".join(path.name for path in (*here.trail, file))
            raise Fault("include_loop", f"this file includes itself: {way}")
        if len(here.trail) > MOST_DEPTH:
            raise Fault("too_deep", f"more than {MOST_DEPTH} files that include each other")
        budget = self._budget
        budget.files += 1
        budget.octets += octets
        if budget.files > MOST_FILES:
            budget.spent = f"more than {MOST_FILES} included files"
        if budget.octets > MOST_OCTETS:
            budget.spent = f"more than {MOST_OCTETS} bytes in included files"
        if budget.spent:  # every file that is being read is given up with its next value
            raise Fault("too_much", budget.spent)

    def _folders(self, own: Path) -> list[Path]:
        """A folder and those above it up to the configuration folder."""
        top = self._top
        return [own, *(up for up in own.parents if up == top or top in up.parents)]

    def _candidates(self, here: _Here, words: str) -> Iterator[Path]:
        """Where a file may be, the nearest place first; `Fault` for what lies outside."""
        if not _WORDS.fullmatch(words):
            raise Fault("wrong_value", "expected a path, with / between folders")
        folders = self._folders(here.folder)
        top = folders[-1]
        if words.startswith(("/", "~")):
            raise _escape(words)
        for folder in folders:
            below = os.path.normpath(folder.relative_to(top) / words)
            if below == ".." or below.startswith("../"):
                if folder == here.folder:
                    raise _escape(words)
                return
            yield self._inside(top / below)

    def _inside(self, path: Path) -> Path:
        """The path, if no link on the way leads out of the configuration folder."""
        top = real(self._read, self._folders(path.parent)[-1])
        found = real(self._read, path)
        if found != top and top not in found.parents:
            raise _escape(path.name)
        return path

    def _missing(self, here: _Here, words: str, what: str) -> Fault:
        looked = ", ".join(str(folder) for folder in self._folders(here.folder)[:4])
        return Fault("missing_file", f"there is no {what} {words[:80]!r}", hint=f"not in {looked}")


def _escape(words: str) -> Fault:
    text = f"{words[:80]!r} leads out of the configuration folder"
    return Fault("path_escape", text, hint="only files in it and below are included")
