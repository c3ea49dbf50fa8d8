"""The words everything shares: origin, line, record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import accumulate
from string import hexdigits
from typing import Final

import msgspec

LEVELS: Final = ("trace", "debug", "info", "warn", "error", "fatal")
"""Every level, least severe first."""

RANK: Final[Mapping[str, int]] = {level: rank for rank, level in enumerate(LEVELS)}
"""The severity of a level as a number."""


_DIGITS: Final = frozenset(hexdigits)


class OriginType(StrEnum):
    """What kind of thing wrote a record (`source.type`)."""

    CONTAINER = "container"
    SYSTEM = "system"
    MANAGER = "manager"
    HOST = "host"
    SERVICE = "service"
    DEVICE = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What wrote a record: everything that is the same for all its records.

    `container_id` and `engine` name one incarnation; identity across re-creation is `key`.
    """

    type: OriginType
    name: str
    device: str
    app: str | None = None
    project: str | None = None
    service_id: int | None = None
    service: str | None = None
    container_id: str | None = None
    container: str | None = None
    image: str | None = None
    engine: str | None = None
    source: str | None = None
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """Identity that survives re-creation: device, type and name."""
        return f"{self.device}/{self.type}/{self.name}"


class Line(msgspec.Struct, gc=False):
    """One whole line as a source hands it over; the pipeline's steps refine it in place.

    `time` is RFC 3339 in UTC with nine fractional digits, `timestamp` the same in milliseconds.
    `seq` counts the container's rows as Docker gives them (that of the line's last row); 0 where
    the line cannot be read again. `first` is its first row where that is another one, else 0.
    `extra` holds further members as JSON text, each with a leading comma (`,"partial":true`).
    `fields` is the JSON text of an object, or empty. `level` is empty until a step sets it.
    """

    text: str
    time: str
    timestamp: int
    stderr: bool = False
    seq: int = 0
    level: str = ""
    fields: str = ""
    extra: str = ""
    system: bool = False
    first: int = 0


class Record(msgspec.Struct, gc=False, frozen=True):
    """One log line in the store. `json` is its only encoding, without a newline."""

    offset: int
    origin: Origin
    timestamp: int
    level: str
    stderr: bool
    seq: int
    message: str
    json: bytes

    @property
    def id(self) -> str:
        """The record's id: unique, sortable in store order, the resume token everywhere."""
        return record_id(self.offset)


class Sent(msgspec.Struct, rename="camel"):
    """A line as a device sends it (balena's device logs). `timestamp` in milliseconds."""

    message: str
    timestamp: float
    is_std_err: bool = False
    is_system: bool = False
    service_id: int | None = None


Batch = Sequence[Record]


def record_id(offset: int) -> str:
    """The public form of an offset: sixteen hexadecimal digits; text order is store order."""
    return f"{offset:016x}"


DEEPEST: Final = 100
"""Levels that a record's fields may be nested: who reads them back may stand deep in calls."""

_BRACKET: Final = re.compile(r"[\[\]{}]")


def is_deep(text: str) -> bool:
    """Whether the brackets of a JSON text are nested deeper than `DEEPEST`."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    steps = (1 if sign in "[{" else -1 for sign in _BRACKET.findall(text))
    return max(accumulate(steps)) > DEEPEST


def parse_id(text: str) -> int:
    """The offset behind a record's id; `ValueError` when it is none."""
    if len(text) != 16 or not _DIGITS.issuperset(text):
        raise ValueError(f"not a record id: {text!r}")
    return int(text, 16)


def time_text(ns: int) -> str:
    """Nanoseconds since the epoch as RFC 3339 with nine fractional digits."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
