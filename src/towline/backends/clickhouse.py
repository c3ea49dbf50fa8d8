"""Records to a table of ClickHouse (HTTP interface, `INSERT ... FORMAT JSONEachRow`)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import voluptuous as vol

from towline.backends.details import Details, facts, value
from towline.backends.http import Answer, HttpBackend, Request
from towline.config import fields
from towline.config.faults import expected
from towline.config.http import HTTP, Http, http, http_doubts
from towline.config.kinds import Kind, Surroundings
from towline.config.shapes import shaped, words
from towline.record import Batch, Record

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
# Only an insert that is carried out at once knows tokens.
_OPTIONS: Final = {
    "async_insert": "0",
    "date_time_input_format": "best_effort",
    "input_format_skip_unknown_fields": "1",
    "wait_end_of_query": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickHouseSettings:
    """What a backend of type `clickhouse` says."""

    http: Http
    database: str
    table: str


class ClickHouseWire:
    """A row for each record, by the columns of docs/backends.md.

    The same batch again carries the same token, by which the table's engine knows it.
    """

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._database = settings.database
        self._query = f"INSERT INTO {settings.table} FORMAT JSONEachRow"

    def request(self, batch: Batch) -> Request:
        """All records as one insert."""
        options = {
            "database": self._database,
            "query": self._query,
            "insert_deduplication_token": _token(batch),
            **_OPTIONS,
        }
        rows = [msgspec.json.encode(_row(record)) for record in batch]
        body = b"\n".join([*rows, b""])
        return Request(f"/?{urlencode(options)}", body, "application/x-ndjson")

    def judge(self, batch: Batch, answer: Answer) -> None:
        """All of it or none: an answer of 200 comes when the rows are stored."""


def _token(batch: Batch) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for record in batch:
        digest.update(f"{record.origin.device}-{record.id}\n".encode())
    return digest.hexdigest()


def _row(record: Record) -> dict[str, Any]:
    details = Details(record)
    return facts(record.origin) | {
        "timestamp": details.time,
        "id": record.id,
        "seq": record.seq,
        "level": record.level,
        "stream": value(record, "stream"),
        "service": value(record, "service"),
        "message": record.message,
        "fields": details.flat_fields,
    }


@shaped(words(_NAME))
def _name(given: Any) -> str:
    """A database or a table, which need no quotes."""
    found = fields.text(given)
    if not _is_name(found):
        raise expected("a name of letters a-z, digits and _", given)
    return found


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier() and len(text) <= 128


_schema = fields.mapping(
    {
        **HTTP,
        vol.Optional("database", default="default"): _name,
        vol.Optional("table", default="logs"): _name,
    }
)


def _config(**keys: Any) -> ClickHouseSettings:
    return ClickHouseSettings(http=http(keys), **keys)


def _open(name: str, config: ClickHouseSettings, surroundings: Surroundings) -> HttpBackend:
    return HttpBackend(config.http, surroundings.folder, ClickHouseWire(config))


KIND: Final = Kind(
    schema=_schema,
    config=_config,
    open=_open,
    doubts=lambda config: http_doubts(config.http),
)
