"""From an entry of the journal to its origin and its line. Pure.

Containers that log through Docker's driver `journald` carry CONTAINER_* fields; priority 3 is their
standard error (moby daemon/logger/journald). All else is a unit of the host, or the kernel.
"""

from __future__ import annotations

import json
import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from time import strptime
from typing import Final

from towline.record import Line, Origin, OriginType, time_text
from towline.sources.journald.choice import KERNEL
from towline.sources.journald.export import Entry

FIELDS: Final = (
    "MESSAGE", "PRIORITY", "_UID", "_PID", "_TRANSPORT", "_SYSTEMD_UNIT", "UNIT", "_COMM",
    "SYSLOG_IDENTIFIER", "CONTAINER_ID_FULL", "CONTAINER_NAME", "IMAGE_NAME", "SYSLOG_TIMESTAMP",
    "CONTAINER_PARTIAL_MESSAGE", "CONTAINER_PARTIAL_ID", "CONTAINER_PARTIAL_LAST",
    "CONTAINER_LOG_EPOCH", "CONTAINER_LOG_ORDINAL", "N_DROPPED", "_SOURCE_REALTIME_TIMESTAMP",
)  # fmt: skip
"""What is asked of an entry; its cursor and its time come with every one."""

_LEVELS: Final[Mapping[bytes, str]] = {
    b"0": "fatal",
    b"1": "fatal",
    b"2": "fatal",
    b"3": "error",
    b"4": "warn",
    b"5": "info",
    b"6": "info",
    b"7": "debug",
}
_TIMES: Final = (b"_SOURCE_REALTIME_TIMESTAMP", b"__REALTIME_TIMESTAMP")
_CURSOR: Final = re.compile(rb"s=([0-9a-f]+);i=([0-9a-f]+);")
_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_APP: Final = re.compile(r"(?:addon|app)_((?:[0-9a-f]{8}|core|local)_.+)")
"""A Home Assistant app: its prefix changed with Supervisor 2026.07, its slug did not."""

PIDS: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where an entry stands: which run of numbers, and its number there."""

    series: bytes
    number: int

    @classmethod
    def parse(cls, text: bytes) -> Cursor:
        """From `s=...;i=...;b=...`; `ValueError` when it is none."""
        found = _CURSOR.match(text)
        if found is None:
            raise ValueError("not a journal cursor")
        return cls(found[1], int(found[2], 16))


def whose(entry: Entry) -> tuple[bytes, bytes, bytes]:
    """What tells one origin from another: a container's id and name and image, or a unit."""
    container = entry.get(b"CONTAINER_ID_FULL")
    if container and is_trusted(entry):
        return container, entry.get(b"CONTAINER_NAME", b""), entry.get(b"IMAGE_NAME", b"")
    return b"", unit_of(entry), b""


def unit_of(entry: Entry) -> bytes:
    """The unit that an entry is about: what systemd says of a unit belongs to that unit."""
    if entry.get(b"_TRANSPORT") == b"kernel":
        return KERNEL.encode()
    if is_trusted(entry) and entry.get(b"UNIT"):
        return entry[b"UNIT"]
    for field in (b"_SYSTEMD_UNIT", b"SYSLOG_IDENTIFIER", b"_COMM"):
        if entry.get(field):
            return entry[field]
    return b"unknown"


def is_trusted(entry: Entry) -> bool:
    """Whether root wrote it: anybody may send fields without a leading underscore."""
    return entry.get(b"_UID") == b"0"


def origin_of(found: tuple[bytes, bytes, bytes], *, device: str, source: str) -> Origin:
    """The origin that `whose` tells."""
    id_, name, image = (part.decode(errors="replace") for part in found)
    if not id_:
        service = name.removesuffix(".service")
        return Origin(
            type=OriginType.HOST, name=name, device=device, service=service, source=source
        )
    container = name or id_[:12]
    stable = stable_name(container)
    return Origin(
        type=OriginType.CONTAINER,
        name=stable,
        device=device,
        service=stable,
        container_id=id_,
        container=container,
        image=image or None,
        source=source,
    )


def stable_name(name: str) -> str:
    """A Home Assistant app by its slug, any other container by its name."""
    found = _APP.fullmatch(name)
    return found[1] if found else name


def line_of(entry: Entry, seq: int) -> Line:
    """An entry as a line; whether it is a whole one, `parts` knows."""
    text = entry.get(b"MESSAGE", b"").decode("utf-8", "replace")
    time, timestamp = time_of(entry)
    priority = entry.get(b"PRIORITY", b"6")
    if entry.get(b"CONTAINER_ID_FULL") and is_trusted(entry):
        return Line(text, time, timestamp, stderr=priority == b"3", seq=seq)
    level = _LEVELS.get(priority, "info")
    return Line(text, time, timestamp, seq=seq, level=level, fields=_fields(entry))


def time_of(entry: Entry) -> tuple[str, int]:
    """Docker's own time where it is given, else the sender's, else when the journal got it."""
    found = _STAMP.fullmatch(entry.get(b"SYSLOG_TIMESTAMP", b"").decode("ascii", "replace"))
    times = (entry.get(name, b"") for name in _TIMES)
    micro = next((int(time) for time in times if time.isdigit() and len(time) < 18), 0)
    if found is None:
        return time_text(micro * 1000), micro // 1000
    fraction = (found[2] or "").ljust(9, "0")
    return f"{found[1]}.{fraction}Z", _milliseconds(found[1], fraction)


def _milliseconds(second: str, fraction: str) -> int:
    return timegm(strptime(second, "%Y-%m-%dT%H:%M:%S")) * 1000 + int(fraction[:3])


def _fields(entry: Entry) -> str:
    found: dict[str, object] = {}
    identifier = entry.get(b"SYSLOG_IDENTIFIER") or entry.get(b"_COMM")
    if identifier:
        found["identifier"] = identifier.decode(errors="replace")
    pid = entry.get(b"_PID", b"")
    if pid.isdigit() and int(pid) <= PIDS:
        found["pid"] = int(pid)
    return json.dumps(found, separators=(",", ":")) if found else ""


def dropped(entry: Entry) -> int:
    """How many messages the journal says it suppressed; 0 for any other entry."""
    count = entry.get(b"N_DROPPED", b"")
    return int(count) if count.isdigit() and len(count) < 16 else 0
