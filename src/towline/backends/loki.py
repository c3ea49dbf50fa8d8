"""Records to Grafana Loki (`POST /loki/api/v1/push`, docs/sources/reference/loki-http-api.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import voluptuous as vol

from towline.backends.details import Details, facts, value
from towline.backends.http import Answer, HttpBackend, Request
from towline.broker.topics import PLACEHOLDERS
from towline.config import fields
from towline.config.compound import Listing
from towline.config.http import HTTP, Http, http, http_doubts
from towline.config.kinds import Kind, Surroundings
from towline.errors import Retryable
from towline.record import Batch, Record

PUSH: Final = "/loki/api/v1/push"
_STORED: Final = 204
_STRANGE = re.compile(r"[^A-Za-z0-9_]")

# Loki's own limits are 15 labels, and 128 members and 64 KB of structured metadata.
_MOST_LABELS: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class LokiSettings:
    """What a backend of type `loki` says. `tenant` empty: Loki has only one."""

    http: Http
    labels: tuple[str, ...]
    line: str
    metadata: bool
    tenant: str


class LokiWire:
    """A stream per set of labels.

    A batch twice is harmless: Loki takes the same line at the same time in the same stream once.
    Where it refuses some lines of a push, such as those too old, it has stored the others.
    """

    def __init__(self, settings: LokiSettings) -> None:
        self._settings = settings
        self._headers = {"X-Scope-OrgID": settings.tenant} if settings.tenant else {}

    def request(self, batch: Batch) -> Request:
        """All records in one push."""
        body = msgspec.json.encode({"streams": self._streams(batch)})
        return Request(PUSH, body, "application/json", self._headers)

    def judge(self, batch: Batch, answer: Answer) -> None:
        """Only 204 means stored; with 260 the tenant is blocked."""
        if answer.status != _STORED:
            raise Retryable(f"answered with status {answer.status}, not {_STORED}")

    def _streams(self, batch: Batch) -> list[dict[str, Any]]:
        streams: dict[tuple[str, ...], list[Any]] = {}
        for record in batch:
            labels = tuple(value(record, label) for label in self._settings.labels)
            streams.setdefault(labels, []).append(self._entry(record))
        names = self._settings.labels
        return [
            {"stream": dict(zip(names, labels, strict=True)), "values": entries}
            for labels, entries in streams.items()
        ]

    def _entry(self, record: Record) -> tuple[Any, ...]:
        details = Details(record)
        as_json = self._settings.line == "json"
        line = record.json.decode() if as_json else record.message
        if not self._settings.metadata:
            return str(details.ns), line
        known = facts(record.origin) | {"level": record.level, "id": record.id}
        if record.seq:
            known["seq"] = str(record.seq)
        fields = {} if as_json else details.flat_fields
        metadata = {_STRANGE.sub("_", name) or "_": item for name, item in fields.items()}
        metadata |= {key: item for key, item in known.items() if key not in self._settings.labels}
        return str(details.ns), line, metadata


_schema = fields.mapping(
    {
        **HTTP,
        vol.Optional("labels", default=["device", "service", "level"]): Listing(
            fields.one_of(*PLACEHOLDERS), least=1, most=_MOST_LABELS
        ),
        vol.Optional("line", default="message"): fields.one_of("message", "json"),
        vol.Optional("metadata", default=True): fields.boolean,
        vol.Optional("tenant", default=""): fields.text,
    }
)


def _config(**keys: Any) -> LokiSettings:
    return LokiSettings(http=http(keys), **keys)


def _open(name: str, config: LokiSettings, surroundings: Surroundings) -> HttpBackend:
    return HttpBackend(config.http, surroundings.folder, LokiWire(config))


KIND: Final = Kind(
    schema=_schema,
    config=_config,
    open=_open,
    doubts=lambda config: http_doubts(config.http),
)
