"""What a request asks for: names and texts from a query string or a JSON body, as values.

Everything that cannot be understood is a `QueryError` that names the parameter.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

from towline.config.settings import Match
from towline.errors import QueryError
from towline.record import LEVELS, OriginType, parse_id
from towline.store.query import Query

FILTERS: Final = (
    "name",
    "serviceId",
    "serviceName",
    "containerId",
    "level",
    "sourceType",
    "since",
    "until",
    "minLevel",
    "project",
    "app",
    "device",
    "container",
    "stream",
    "regex",
    "text",
    "not",
)
"""The parameters that say which records."""

PAGING: Final = ("limit", "before", "after", "order", "format")
"""The parameters that say how many of them, from where, and in which shape."""

AROUND: Final = ("around", "context")
"""The parameters that ask for a record and what stands about it."""

EXPORT: Final = ("before", "after", "order", "format")
"""The parameters of an export: it has no limit."""

DEFAULT_CONTEXT: Final = 10
MAX_CONTEXT: Final = 1000

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000
FORMATS: Final = ("json", "ndjson", "text", "csv")

_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d|w)")
_PLUS_LOST = re.compile(r" (\d\d:\d\d)$")  # `+02:00` in a query string that nobody quoted
_SHORT_ID = re.compile(r"[0-9a-f]{12,63}")
_MAX_TIME: Final = 1 << 53


class Asked:
    """The parameters of one request; a name it does not know is refused, not ignored."""

    def __init__(
        self,
        pairs: Iterable[tuple[str, str]],
        known: Iterable[str],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._values: dict[str, list[str]] = {}
        names = list(known)
        for name, value in pairs:
            if name not in names:
                near = get_close_matches(name, names, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise QueryError("unknown_parameter", f"{name}: unknown parameter{hint}")
            self._values.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return any(self._values.get(name, ()))

    def many(self, name: str) -> tuple[str, ...]:
        """Every value that was given."""
        return tuple(value for value in self._values.get(name, ()) if value)

    def one(self, name: str, default: str = "") -> str:
        """The one value; two are one too many."""
        values = self.many(name)
        if len(values) > 1:
            raise _bad(name, "may be given once")
        return values[0] if values else default

    def choices(self, name: str, known: Iterable[str]) -> tuple[str, ...]:
        """Values out of a list."""
        values, words = self.many(name), list(known)
        for value in values:
            if value not in words:
                raise _bad(name, f"one of {', '.join(words)}")
        return values

    def choice(self, name: str, known: Iterable[str], default: str = "") -> str:
        """One value out of a list."""
        self.one(name)
        return next(iter(self.choices(name, known)), default)

    def whole(self, name: str, default: int, *, least: int = 0, most: int) -> int:
        """A whole number, brought into its range."""
        text = self.one(name)
        return max(least, min(_whole(name, text), most)) if text else default

    def flag(self, name: str, *, default: bool) -> bool:
        """A yes or no; a name alone (`?follow`) is a yes."""
        if name not in self._values:
            return default
        text = self.one(name, "true").lower()
        if text in {"true", "1", "yes", "on"}:
            return True
        if text in {"false", "0", "no", "off"}:
            return False
        raise _bad(name, "true or false")

    def instant(self, name: str) -> int | None:
        """A time in milliseconds: a number, RFC 3339, or a duration, which is that long ago."""
        text = self.one(name)
        if not text:
            return None
        if text.isascii() and text.isdigit():
            return min(int(text[:20]), _MAX_TIME)
        if ago := _DURATION.fullmatch(text):
            return round(self._now() * 1000 - float(ago[1]) * _UNITS[ago[2]])
        try:
            found = datetime.fromisoformat(_PLUS_LOST.sub(r"+\1", text))
        except ValueError as exc:
            raise _bad(name, "milliseconds, RFC 3339 or a duration such as 1h") from exc
        return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)

    def duration(self, name: str) -> int | None:
        """A duration in milliseconds."""
        text = self.one(name)
        if not text:
            return None
        found = _DURATION.fullmatch(text)
        if not found or not (span := round(float(found[1]) * _UNITS[found[2]])):
            raise _bad(name, "a duration such as 500ms, 30s or 1h")
        return span

    def offset(self, name: str) -> int | None:
        """The offset behind a record's id."""
        text = self.one(name)
        try:
            return parse_id(text) if text else None
        except ValueError as exc:
            raise _bad(name, "the id of a record") from exc

    def query(self) -> Query:
        """The query that filters and paging make."""
        after, before = self.offset("after"), self.offset("before")
        order = self.choice("order", ("asc", "desc"), "asc" if after is not None else "desc")
        return replace(
            self.filters(),
            after=after,
            before=before,
            limit=self.whole("limit", DEFAULT_LIMIT, least=1, most=MAX_LIMIT),
            newest_first=order == "desc",
        )

    def around(self) -> tuple[Query, int, int] | None:
        """The filters, the offset of a record, and how many to either side of it."""
        offset = self.offset("around")
        if offset is None:
            if "context" in self:
                raise _bad("context", "goes with around, the id of a record")
            return None
        for name in ("before", "after", "order", "limit"):
            if name in self:
                raise _bad(name, "does not go with around, which has its own order and end")
        count = self.whole("context", DEFAULT_CONTEXT, least=0, most=MAX_CONTEXT)
        return self.filters(), offset, count

    def filters(self) -> Query:
        """The query that the filters alone make."""
        match = Match(
            service=self.many("serviceName"),
            project=self.many("project"),
            app=self.many("app"),
            device=self.many("device"),
            container=self.many("container"),
            stream=self.choices("stream", ("stdout", "stderr")),
            level=self.choices("level", LEVELS),
            min_level=self.choice("minLevel", LEVELS),
            regex=self.one("regex"),
            alternatives=_named(self.many("name")),
        )
        return Query(
            match=match,
            text=self.one("text"),
            without=self.one("not"),
            since=self.instant("since"),
            until=self.instant("until"),
            service_id=tuple(_whole("serviceId", text) for text in self.many("serviceId")),
            container_id=self.many("containerId"),
            source_type=self.choices("sourceType", [str(kind) for kind in OriginType]),
        )


def _named(names: tuple[str, ...]) -> tuple[Match, ...]:
    """What people call a container: its name, the start of its id, its service."""
    if not names:
        return ()
    containers = tuple(f"{name}*" if _SHORT_ID.fullmatch(name) else name for name in names)
    return (Match(container=containers), Match(service=names), Match(name=names))


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise _bad(name, "a whole number")
    return int(text)


def _bad(name: str, wanted: str) -> QueryError:
    return QueryError("bad_parameter", f"{name}: {wanted}")


def pairs(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The members of a JSON body as a query string would give them."""
    for name, value in body.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, bool):
                yield name, "true" if item else "false"
            elif isinstance(item, str | int):
                yield name, str(item)
            elif item is not None:
                raise _bad(name, "a text, a number, or a list of them")
