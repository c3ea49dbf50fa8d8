"""Records to an OpenTelemetry collector (OTLP/HTTP 1.x, `POST /v1/logs`, JSON)."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from towline.backends.details import Details, value
from towline.backends.http import Answer, HttpBackend, Request
from towline.backends.otlp_values import attributes
from towline.config import fields
from towline.config.http import HTTP, Http, http, http_doubts
from towline.config.kinds import Kind, Surroundings
from towline.errors import Rejected
from towline.record import Batch, Origin, Record
from towline.trouble import Trouble

_log = logging.getLogger(__name__)

LOGS: Final = "/v1/logs"
SEVERITY: Final = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
_TRACE = re.compile(r"(?!0+$)[0-9a-fA-F]{32}")
_SPAN = re.compile(r"(?!0+$)[0-9a-fA-F]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpSettings:
    """What a backend of type `otlp` says."""

    http: Http


class _Partial(msgspec.Struct, rename="camel"):
    rejected_log_records: str | int = 0
    error_message: str = ""


class _Export(msgspec.Struct, rename="camel"):
    partial_success: _Partial | None = None


class OtlpWire:
    """A resource per origin. A batch twice is stored twice: the protocol knows no ids."""

    def __init__(self) -> None:
        self._refused = Trouble(
            _log,
            "records refused, and the destination does not say which",
            "all records taken again",
            extra={},
            level=logging.ERROR,
        )

    def request(self, batch: Batch) -> Request:
        """All records, by origin."""
        origins: dict[int, list[Record]] = {}
        for record in batch:
            origins.setdefault(id(record.origin), []).append(record)
        found = [
            {
                "resource": {"attributes": _resource(records[0])},
                "scopeLogs": [
                    {"scope": {"name": "towline"}, "logRecords": [_entry(each) for each in records]}
                ],
            }
            for records in origins.values()
        ]
        return Request(LOGS, msgspec.json.encode({"resourceLogs": found}), "application/json")

    def judge(self, batch: Batch, answer: Answer) -> None:
        """A partial success must not be sent again, and does not say what it left out."""
        found = answer.json(_Export) if answer.body else _Export()
        partial = found.partial_success
        refused = int(partial.rejected_log_records) if partial else 0
        if partial is None or refused <= 0:
            self._refused.over()
            return
        reason = f"{refused} of {len(batch)} refused: {partial.error_message[:200]}"
        if refused >= len(batch):
            raise Rejected(reason, positions=range(len(batch)))
        self._refused.happened(reason)


def _resource(record: Record) -> list[dict[str, Any]]:
    """Names of the semantic conventions for resources."""
    origin: Origin = record.origin
    found = {
        "service.name": value(record, "service"),
        "service.namespace": origin.project,
        "host.name": origin.device,
        "container.id": origin.container_id,
        "container.name": origin.container,
        "container.image.name": origin.image,
        "towline.app": origin.app,
        "towline.source": origin.source,
        "towline.type": str(origin.type),
    }
    return attributes({key: item for key, item in found.items() if item})


def _entry(record: Record) -> dict[str, Any]:
    details = Details(record)
    parsed = details.fields
    more = {"log.iostream": value(record, "stream"), "towline.id": record.id}
    if record.seq:
        more["towline.seq"] = str(record.seq)
    found = {
        "timeUnixNano": str(details.ns),
        "severityNumber": SEVERITY[record.level],
        "severityText": record.level.upper(),
        "body": {"stringValue": record.message},
        "attributes": attributes(parsed | more),
    }
    for key, names, pattern in (
        ("traceId", ("trace_id", "traceId"), _TRACE),
        ("spanId", ("span_id", "spanId"), _SPAN),
    ):
        given = next((parsed[name] for name in names if name in parsed), None)
        if isinstance(given, str) and pattern.fullmatch(given):
            found[key] = given.lower()
    return found


def _config(**keys: Any) -> OtlpSettings:
    return OtlpSettings(http=http(keys))


def _open(name: str, config: OtlpSettings, surroundings: Surroundings) -> HttpBackend:
    return HttpBackend(config.http, surroundings.folder, OtlpWire())


KIND: Final = Kind(
    schema=fields.mapping(dict(HTTP)),
    config=_config,
    open=_open,
    doubts=lambda config: http_doubts(config.http),
)
