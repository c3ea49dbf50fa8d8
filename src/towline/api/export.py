"""Records as NDJSON, plain text and CSV, safe to open in a terminal and in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

_decode = msgspec.json.Decoder().decode

COLUMNS: Final = (
    "id",
    "time",
    "level",
    "device",
    "app",
    "project",
    "serviceName",
    "containerName",
    "stream",
    "seq",
    "message",
)

# C0 (but not the tab), DEL, C1, line separators, and what turns the direction of text around
_CONTROL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def ndjson(rows: Iterable[bytes]) -> bytes:
    """A record a line."""
    return b"".join([row + b"\n" for row in rows])


def text(rows: Iterable[bytes]) -> bytes:
    """`time level name message` a line."""
    return "".join([_line(_decode(row)) for row in rows]).encode()


def _line(record: Mapping[str, Any]) -> str:
    name = record.get("containerName") or record["source"]["name"]
    return visible(f"{record['time']} {record['level']:<5} {name} {record['message']}") + "\n"


def visible(message: str) -> str:
    """A message with what could steer a terminal written out as an escape."""
    return _CONTROL.sub(_escape, message)


def _escape(hit: re.Match[str]) -> str:
    code = ord(hit[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Table:
    """CSV (RFC 4180); the head row comes with the first rows."""

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, rows: Iterable[bytes]) -> bytes:
        """Some more rows."""
        out = io.StringIO()
        writer = csv.writer(out)
        if not self._begun:
            writer.writerow(COLUMNS)
            self._begun = True
        for row in rows:
            record = _decode(row)
            record["stream"] = "stderr" if record.get("isStdErr") else "stdout"
            writer.writerow([_cell(record.get(column, "")) for column in COLUMNS])
        return out.getvalue().encode()


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula (CWE-1236)."""
    if not isinstance(value, str):
        return value
    value = visible(value)
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "'")) else value


Render = Callable[[Iterable[bytes]], bytes]
RENDERERS: Final[Mapping[str, tuple[str, Callable[[], Render]]]] = {
    "ndjson": ("application/x-ndjson", lambda: ndjson),
    "text": ("text/plain; charset=utf-8", lambda: text),
    "csv": ("text/csv; charset=utf-8", Table),
}
"""By format: the media type, and what makes a renderer for one answer, whole or in pieces."""
