"""TLS as a configuration wants it: contexts made when needed, and anew when a file has changed."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.config.tls import Tls

_log = logging.getLogger(__name__)

_PEM: Final = "-----BEGIN"
_LARGEST: Final = 1024 * 1024

_ALERTS: Final = {
    "alert certificate required": "it asks for our certificate (tls.cert, tls.key)",
    "alert certificate expired": "it says that our certificate has expired",
    "alert unknown ca": "it does not know the authority of our certificate",
    "alert bad certificate": "it does not accept our certificate (tls.cert, tls.key)",
    "wrong version number": "wrong version number: TLS is not spoken there",
}
"""What OpenSSL says in lower case (RFC 8446 section 6.2 names the alerts), and what we say."""

Marks = tuple[tuple[int, int, int] | None, ...]


class Credentials:
    """The SSL context of some settings. Relative paths count from `folder`.

    A certificate that is renewed counts from the next connection on.
    """

    def __init__(self, settings: Tls, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._marks: Marks = ()
        self._context: ssl.SSLContext | None = None

    async def context(self) -> ssl.SSLContext:
        """The context for the next connection; `OSError` where a file cannot be used."""
        return await asyncio.to_thread(self.fresh)

    def fresh(self) -> ssl.SSLContext:
        """The same, for a thread: it reads files."""
        marks = tuple(_mark(path) for path in self._paths())
        if self._context is None or marks != self._marks:
            self._context, self._marks = self._make(), marks
        return self._context

    def _paths(self) -> list[Path]:
        given = (self._settings.ca, self._settings.cert, self._settings.key.reveal())
        return [self._folder / text for text in given if text and not text.startswith(_PEM)]

    def _make(self) -> ssl.SSLContext:
        settings = self._settings
        ca = self._text("ca", settings.ca) if settings.ca else None
        try:
            context = ssl.create_default_context(cadata=ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2  # not every Python's own default
        except ssl.SSLError:
            raise OSError("tls.ca holds no certificate in PEM form") from None
        if not settings.verify:
            _log.warning("whoever answers is trusted: tls.verify is false")
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if settings.cert:
            self._introduce(context)
        return context

    def _introduce(self, context: ssl.SSLContext) -> None:
        """Say who we are. OpenSSL reads files only; these stay in memory."""
        cert = self._text("cert", self._settings.cert)
        key = self._text("key", self._settings.key.reveal()) if self._settings.key else ""
        try:
            with _in_memory(f"{cert}\n{key}") as path:
                # a passphrase would be asked for at the terminal
                context.load_cert_chain(path, password=lambda: "")
        except ssl.SSLError as exc:
            told = (exc.reason or "not in PEM form").lower().replace("_", " ")
            raise OSError(f"tls.cert and tls.key cannot be used: {told}") from None

    def _text(self, key: str, given: str) -> str:
        if given.startswith(_PEM):
            return given
        try:
            with (self._folder / given).open("rb") as file:
                return file.read(_LARGEST).decode("ascii", "replace")
        except OSError as exc:
            raise OSError(f"tls.{key} cannot be read: {(exc.strerror or '').lower()}") from None
        except ValueError:
            raise OSError(f"tls.{key} is neither a path nor PEM text") from None


def tls_reason(exc: ssl.SSLError) -> str:
    """Why TLS failed, in words a person can act on."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {exc.verify_message}"
    # absent on some, whatever the types say
    told = (getattr(exc, "reason", None) or "unknown").lower().replace("_", " ")
    known = (words for sign, words in _ALERTS.items() if sign in told)
    return f"TLS failed: {next(known, told)}"


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What is another when a file has changed; `None` without a file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """A path under which a text can be read, without it ever being on a disk."""
    number = os.memfd_create("towline")
    try:
        os.write(number, text.encode())
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)
