"""A record as a syslog message (RFC 5424), and messages in a stream (RFC 6587). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from towline.backends.details import Details, facts, value
from towline.config.syslog import FACILITIES
from towline.record import Origin, Record

SEVERITY: Final = {"trace": 7, "debug": 7, "info": 6, "warn": 4, "error": 3, "fatal": 2}
"""What is fatal for a program is critical (2); 0 and 1 are for whole systems."""

_NIL: Final = b"-"
_HOST, _APP, _PROCESS = 255, 48, 128
_ORIGINS: Final = 4096
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
        self._origins: dict[int, tuple[Origin, str, str]] = {}

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
        writer, _ = self._known(record)
        stream = "stderr" if record.stderr else "stdout"
        priority = self._facility + SEVERITY[record.level]
        return f"<{priority}>1 {details.time[:26]}Z {writer} {stream}".encode()

    def _data(self, record: Record, details: Details) -> Iterator[bytes]:
        """Structured data, the fullest first."""
        if self._enterprise:
            _, origin = self._known(record)
            seq = f' seq="{record.seq}"' if record.seq else ""
            short = f'{origin} id="{record.id}" level="{record.level}"{seq}]'
            if parsed := details.flat_fields:
                full = f"{short}[{_element(f'fields@{self._enterprise}', parsed)}]"
                yield full.encode(errors="replace")
            yield short.encode(errors="replace")
        yield _NIL

    def _known(self, record: Record) -> tuple[str, str]:
        """Host, application and process of an origin, and the beginning of its data."""
        origin = record.origin
        found = self._origins.get(id(origin))
        if found is None:
            if len(self._origins) >= _ORIGINS:
                self._origins.clear()
            writer = " ".join(
                (
                    _word(origin.device, _HOST),
                    _word(value(record, "service"), _APP),
                    _word((origin.container_id or "")[:12], _PROCESS),
                )
            )
            data = f"[{_element(f'towline@{self._enterprise}', facts(origin))}"
            found = self._origins[id(origin)] = (origin, writer, data)
        return found[1:]


def counted(message: bytes) -> bytes:
    """A message behind its length: it may hold anything."""
    return b"%d %b" % (len(message), message)


def ended(message: bytes) -> bytes:
    """A message that a line feed ends; those within are written as rsyslog does."""
    return message.replace(b"\n", b"#012") + b"\n"


def _word(text: str, longest: int) -> str:
    return _NOT_PRINTABLE.sub("_", text)[:longest] or _NIL.decode()


def _element(name: str, values: Mapping[str, str]) -> str:
    """An element of structured data, without its brackets."""
    pairs = [
        f'{_NOT_IN_A_NAME.sub("_", key)[:_LONGEST_NAME] or "_"}="{_escaped(item)}"'
        for key, item in values.items()
    ]
    return " ".join([name, *pairs])


def _escaped(text: str) -> str:
    return _TO_ESCAPE.sub(r"\\\1", text[:_LONGEST_VALUE])
