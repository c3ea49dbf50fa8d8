"""A record as a syslog message (RFC 5424), and messages in a stream (RFC 6587). Pure."""

from __future__ import annotations

import re
from typing import Final

from towline.backends.details import Details, facts, value
from towline.record import Record

FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "security", "console", "solaris-cron", "local0", "local1", "local2", "local3",
    "local4", "local5", "local6", "local7",
)  # fmt: skip
"""By their numbers (section 6.2.1)."""

SEVERITY: Final = {"trace": 7, "debug": 7, "info": 6, "warn": 4, "error": 3, "fatal": 2}
"""What is fatal for a program is critical (2); 0 and 1 are for whole systems."""

_NIL: Final = "-"
_HOST, _APP, _PROCESS = 255, 48, 128
_LONGEST_NAME: Final = 32
_LONGEST_VALUE: Final = 512
_NOT_PRINTABLE = re.compile(r"[^!-~]")
_NOT_IN_A_NAME = re.compile(r'[^!-~]|[="\]]')
_TO_ESCAPE = re.compile(r'(["\\\]])')


class Form:
    """Makes messages of at most `max_size` bytes. `enterprise` names the structured data; 0: none.

    What is too large loses its fields, then its facts, then the end of its text.
    """

    def __init__(self, facility: str, enterprise: int, max_size: int) -> None:
        self._facility = FACILITIES.index(facility) * 8
        self._enterprise = enterprise
        self._max_size = max_size

    def message(self, record: Record) -> bytes:
        """One message, without its frame."""
        details = Details(record)
        head = self._head(record, details)
        text = record.message.encode(errors="replace")
        room = self._max_size - len(head) - len(text) - 2
        for data in self._data(record, details):
            if len(data) <= room:
                return b"%b %b %b" % (head, data, text)
        rest = max(0, self._max_size - len(head) - 3)
        return b"%b - %b" % (head, text[:rest].decode(errors="ignore").encode())

    def _head(self, record: Record, details: Details) -> bytes:
        words = (
            f"<{self._facility + SEVERITY[record.level]}>1",
            f"{details.time[:26]}Z",
            _word(record.origin.device, _HOST),
            _word(value(record, "service"), _APP),
            _word((record.origin.container_id or "")[:12], _PROCESS),
            value(record, "stream"),
        )
        return " ".join(words).encode()

    def _data(self, record: Record, details: Details) -> list[bytes]:
        """Structured data, the fullest first."""
        if not self._enterprise:
            return [_NIL.encode()]
        known = facts(record.origin) | {"id": record.id, "level": record.level}
        if record.seq:
            known["seq"] = str(record.seq)
        short = _element(f"towline@{self._enterprise}", known)
        parsed = details.flat_fields
        full = short + _element(f"fields@{self._enterprise}", parsed) if parsed else short
        return [each.encode(errors="replace") for each in (full, short, _NIL)]


def counted(message: bytes) -> bytes:
    """A message behind its length: it may hold anything."""
    return b"%d %b" % (len(message), message)


def ended(message: bytes) -> bytes:
    """A message that a line feed ends; those within are written as rsyslog does."""
    return message.replace(b"\n", b"#012") + b"\n"


def _word(text: str, longest: int) -> str:
    return _NOT_PRINTABLE.sub("_", text)[:longest] or _NIL


def _element(name: str, values: dict[str, str]) -> str:
    pairs = [
        f'{_NOT_IN_A_NAME.sub("_", key)[:_LONGEST_NAME] or "_"}="{_escaped(item)}"'
        for key, item in values.items()
    ]
    return f"[{' '.join([name, *pairs])}]"


def _escaped(text: str) -> str:
    return _TO_ESCAPE.sub(r"\\\1", text[:_LONGEST_VALUE])
