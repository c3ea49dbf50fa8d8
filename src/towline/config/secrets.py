"""What `!secret name` stands for: an entry of the nearest `secrets.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from towline.config.faults import Fault
from towline.config.places import Spot
from towline.config.reader import Read, is_open
from towline.config.settings import Secret
from towline.config.text import read_text
from towline.config.tree import Tag, parse
from towline.errors import ConfigError, Problem

SECRETS: Final = "secrets.yaml"


class Secrets:
    """Secrets by folder. A file of them is read when its first secret is asked for.

    Faults of the files themselves are kept in `problems`: they are told once, however many secrets
    want them. `known` are the values that were given out.
    """

    def __init__(self, read: Read, encrypted: Tag, warn: Callable[[Problem], None]) -> None:
        self._read = read
        self._encrypted = encrypted
        self._warn = warn
        self._files: dict[Path, dict[str, Any]] = {}
        self.problems: list[Problem] = []

    def tag(self, folders: Iterable[Path]) -> Tag:
        """`!secret` in a file: where its secrets are looked for, the nearest folder first."""
        places = tuple(folders)
        return lambda words, _: self._find(words, places)

    def _find(self, words: str, folders: tuple[Path, ...]) -> Secret:
        known: list[str] = []
        for folder in folders:
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
        if is_open(self._read, file):
            self._warn(_open_to_others(file))
        tree = parse(read_text(data, str(file), private=True), {"!encrypted": self._in_secrets})
        if tree.problems:
            raise ConfigError(tree.problems)
        if tree.data is not None and not isinstance(tree.data, dict):
            wanted = "expected a mapping of names and secrets"
            raise ConfigError([tree.problem("wrong_value", wanted, ())])
        return tree.data or {}

    def _in_secrets(self, words: str, spot: Spot) -> Any:
        return self._encrypted(words, spot)


def _open_to_others(file: Path) -> Problem:
    return Problem(
        code="open_secrets",
        text="everybody on this machine can read these secrets",
        file=str(file),
        hint=f"chmod 600 {file}",
        severity="warning",
    )


def _secret(name: str, value: Any) -> Secret:
    if isinstance(value, str) and value:
        return Secret(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Secret(str(value))
    hint = f"put its value in {SECRETS} in quotes"
    raise Fault("wrong_value", f"the secret {name!r} is not a text", hint=hint)
