"""What `!secret` and `!env_var` stand for. Reads nothing by itself: the reader is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from towline.config.faults import Fault
from towline.config.scalars import plain_value
from towline.config.settings import Secret
from towline.config.text import read_text
from towline.config.tree import Tag, parse
from towline.errors import ConfigError, Problem

Read = Callable[[Path], bytes | None]
"""What is in a file, None where there is none; `ConfigError` where it cannot be read."""

SECRETS: Final = "secrets.yaml"


def nothing(_: Path) -> None:
    """A reader for text that stands alone."""


class Secrets:
    """`!secret name`: from `secrets.yaml` beside the file, then in the folders above it.

    A file of secrets is read when its first secret is asked for. Faults of the files themselves
    are kept in `problems`: they are told once, however many secrets want them.
    """

    def __init__(self, read: Read, own: Path, top: Path) -> None:
        self._read = read
        self._folders = [own, *(up for up in own.parents if up == top or top in up.parents)]
        self._files: dict[Path, dict[str, Any]] = {}
        self.problems: list[Problem] = []

    def __call__(self, words: str) -> Secret:
        """The secret of a name."""
        known: list[str] = []
        for folder in self._folders:
            held = self._held(folder / SECRETS)
            if words in held:
                return _secret(words, held[words])
            known += held
        if self.problems:
            raise Fault("unread_secrets", f"the secret {words!r} could not be read")
        text = f"the secret {words!r} is not in {SECRETS}"
        hint = "" if known else f"there is no {SECRETS}, or it is empty"
        raise Fault("missing_secret", text, hint=hint, word=words, known=known)

    def _held(self, file: Path) -> dict[str, Any]:
        if file not in self._files:
            try:
                self._files[file] = self._parsed(file)
            except ConfigError as exc:
                self.problems += exc.problems
                self._files[file] = {}
        return self._files[file]

    def _parsed(self, file: Path) -> dict[str, Any]:
        data = self._read(file)
        if data is None:
            return {}
        tree = parse(read_text(data, str(file), private=True), {})
        if tree.problems:
            raise ConfigError(tree.problems)
        if tree.data is not None and not isinstance(tree.data, dict):
            wanted = "expected a mapping of names and secrets"
            raise ConfigError([tree.problem("wrong_value", wanted, ())])
        return tree.data or {}


def _secret(name: str, value: Any) -> Secret:
    if isinstance(value, str) and value:
        return Secret(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Secret(str(value))
    hint = f"put its value in {SECRETS} in quotes"
    raise Fault("wrong_value", f"the secret {name!r} is not a text", hint=hint)


def env_var(environment: Mapping[str, str]) -> Tag:
    """`!env_var NAME [default]`: an empty variable counts as not set where a default is given.

    Whole numbers and `true` and `false` are taken as such, everything else is text.
    """

    def value(words: str) -> Any:
        name, _, default = words.partition(" ")
        found = environment.get(name) or default.strip()
        if not found and name not in environment:
            hint = f"set it, or write a default: !env_var {name} default"
            raise Fault("missing_variable", f"the variable {name!r} is not set", hint=hint)
        meant = plain_value(found)
        return meant if isinstance(meant, bool | int) else found

    return value
