"""Values that are encrypted where they stand: `!encrypted token`.

A token is Fernet's (AES-128-CBC with HMAC-SHA256). Fernet binds nothing to its place, so the way
to the value stands in front of it, inside the token: `path\\nvalue`. An empty path fits anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from towline.config.faults import Fault
from towline.config.places import Path as Way
from towline.config.places import Spot
from towline.config.problems import path_text
from towline.config.reader import Read, is_open
from towline.config.settings import Secret
from towline.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

KEY_FILE: Final = ".towline.key"
KEY: Final = "TOWLINE_KEY"
KEY_FILE_VARIABLE: Final = "TOWLINE_KEY_FILE"
MOST_KEYS: Final = 16
_SEPARATORS = re.compile(r"[\s,]+")
_COMMENT = re.compile(r"(?m)#.*$")


class Keys:
    """The keys of a configuration, the newest first, looked for when the first value needs them.

    The variable TOWLINE_KEY, else the file that TOWLINE_KEY_FILE names, else `.towline.key` in the
    configuration folder. Faults name where a key was looked for, never a key or a value.
    """

    def __init__(self, read: Read, folder: Path, environment: Mapping[str, str]) -> None:
        self._read = read
        named = environment.get(KEY_FILE_VARIABLE)
        self._text = environment.get(KEY) or ""
        self._file = Path(named) if named else folder / KEY_FILE
        self._box: MultiFernet | None = None

    @property
    def origin(self) -> str:
        """Where the keys come from, for people."""
        return f"the variable {KEY}" if self._text else str(self._file)

    def tag(self, words: str, spot: Spot) -> Secret:
        """The value of a token at its place."""
        return self.value("".join(words.split()), spot.path)

    def value(self, token: str, path: Way) -> Secret:
        """What a token holds; `Fault` where it was not made with these keys, for this place."""
        from cryptography.fernet import InvalidToken

        try:
            plain = self.box().decrypt(token.encode()).decode(errors="replace")
        except InvalidToken:
            raise self._undecryptable() from None
        bound, separator, value = plain.partition("\n")
        here = path_text(step for step in path if step != "<<")
        if not separator or bound not in ("", here):
            wanted = f"was encrypted for {bound!r}" if separator else "holds something else"
            hint = f"towline secret encrypt --path {here}"
            raise Fault("wrong_place", f"the encrypted value {wanted}", hint=hint)
        if not value:
            raise Fault("wrong_value", "the encrypted value is empty")
        return Secret(value)

    def encrypt(self, value: str, path: str = "") -> str:
        """The token of a value, bound to a path where one is given."""
        return self.box().encrypt(f"{path}\n{value}".encode()).decode()

    def rotate(self, token: str) -> str | None:
        """The same value under the newest key, None where it is under that already."""
        from cryptography.fernet import Fernet, InvalidToken

        box = self.box()
        newest = Fernet(self.all()[0])
        try:
            newest.decrypt(token.encode())
        except InvalidToken:
            try:
                return box.rotate(token.encode()).decode()
            except InvalidToken:
                raise self._undecryptable() from None
        return None

    def all(self) -> list[str]:
        """Every key, the newest first; `Fault` where there is none."""
        found = keys_in(self._text or self._content())
        if not found:
            text = f"there is no key for encrypted values in {self.origin}"
            raise Fault("no_secret_key", text, hint=f"set {KEY}, or see towline secret new-key")
        return found[:MOST_KEYS]

    def box(self) -> MultiFernet:
        """All keys, ready for use; `Fault` where there is none or one is unsound."""
        if self._box is None:
            self._box = self._opened()
        return self._box

    def _opened(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet

        keys = self.all()
        try:
            return MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            text = f"{self.origin} holds something that is no key"
            hint = "a key is what towline secret new-key prints: 44 characters"
            raise Fault("bad_secret_key", text, hint=hint) from None

    def _undecryptable(self) -> Fault:
        text = f"the encrypted value cannot be read with {self.origin}"
        hint = "another key was used, or the token is damaged or cut off"
        return Fault("undecryptable", text, hint=hint)

    def _content(self) -> str:
        try:
            data = self._read(self._file)
        except ConfigError as exc:
            raise Fault("no_secret_key", f"{self._file}: {exc.problems[0].text}") from exc
        if data is not None and is_open(self._read, self._file):
            text = f"everybody on this machine can read the key in {self._file}"
            raise Fault("open_secret_key", text, hint=f"chmod 600 {self._file}")
        return (data or b"").decode(errors="replace")


def keys_in(text: str) -> list[str]:
    """Keys as they are kept: one a line (or with commas), the newest first; # begins a comment."""
    return [word for word in _SEPARATORS.split(_COMMENT.sub("", text)) if word]
