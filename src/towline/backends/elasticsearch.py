"""Records to Elasticsearch and OpenSearch (`POST /_bulk`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import voluptuous as vol

from towline.backends.details import Details, value
from towline.backends.http import Answer, HttpBackend, Request
from towline.broker.topics import PLACEHOLDERS
from towline.config import fields
from towline.config.faults import Fault
from towline.config.http import HTTP, Http, http, http_doubts
from towline.config.kinds import Kind, Surroundings
from towline.config.shapes import TEXT, shaped
from towline.errors import Rejected, Retryable
from towline.record import Batch

BULK: Final = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
ALREADY_STORED: Final = 409

_LONGEST_INDEX: Final = 255
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_HOSTILE = re.compile(r'[\\/*?"<>|\s,#:+\x00-\x1f\x7f]')
_template = fields.template(*PLACEHOLDERS, "date")

# An index that is missing, read-only or not ours is the cluster's state, not the record's fault.
_PASSING: Final = frozenset({401, 403, 404, 408, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticsearchSettings:
    """What a backend of type `elasticsearch` says."""

    http: Http
    index: str


class _Error(msgspec.Struct):
    type: str = ""
    reason: str = ""


class _Outcome(msgspec.Struct):
    status: int = 0
    error: _Error | None = None


class _Item(msgspec.Struct):
    create: _Outcome


class _Bulk(msgspec.Struct):
    errors: bool
    items: list[_Item] = []


class ElasticsearchWire:
    """Creates a document for each record, under an id that the same line always has.

    So what is sent again is answered with 409 and stored once; data streams take `create` only.
    """

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._index = settings.index

    def request(self, batch: Batch) -> Request:
        """An action and a document of each record."""
        rows: list[bytes] = []
        for record in batch:
            details = Details(record)
            action = {"_index": self._name(details), "_id": details.identity}
            rows.append(msgspec.json.encode({"create": action}))
            rows.append(b'{"@timestamp":"%b",%b' % (details.time.encode(), record.json[1:]))
        return Request(BULK, b"\n".join([*rows, b""]), "application/x-ndjson")

    def judge(self, batch: Batch, answer: Answer) -> None:
        """An answer of 200 says of each record what became of it."""
        found = answer.json(_Bulk)
        if len(found.items) != len(batch):
            raise Retryable(f"answered for {len(found.items)} of {len(batch)} records")
        refused: list[int] = []
        for position, item in enumerate(found.items):
            status = item.create.status
            if 200 <= status < 300 or status == ALREADY_STORED:
                continue
            if status in _PASSING or status >= 500:
                raise Retryable(_told(item.create))
            refused.append(position)
        if refused:
            raise Rejected(_told(found.items[refused[0]].create), positions=refused)

    def _name(self, details: Details) -> str:
        def filled(found: re.Match[str]) -> str:
            if found[1] == "date":
                return details.time[:10].replace("-", ".")
            return value(details.record, found[1])

        name = _HOSTILE.sub("_", _PLACEHOLDER.sub(filled, self._index)).lower()
        return name.lstrip("-_+.").encode()[:_LONGEST_INDEX].decode(errors="ignore") or "logs"


def _told(outcome: _Outcome) -> str:
    error = outcome.error or _Error()
    return f"{error.type or 'refused'} ({outcome.status}) {error.reason[:200]}".strip()


@shaped(TEXT)
def _index_template(given: Any) -> str:
    """A template whose fixed part an index may be called."""
    found: str = _template(given)
    fixed = _PLACEHOLDER.sub("", found)
    if fixed != fixed.lower() or _HOSTILE.search(fixed) or found[0] in "-_+.":
        wanted = "an index has small letters, no spaces or / * ? and does not begin with - _ + ."
        raise Fault("wrong_value", wanted)
    return found


_schema = fields.mapping(
    {**HTTP, vol.Optional("index", default="logs-{project}-{date}"): _index_template}
)


def _config(**keys: Any) -> ElasticsearchSettings:
    return ElasticsearchSettings(http=http(keys), **keys)


def _open(name: str, config: ElasticsearchSettings, surroundings: Surroundings) -> HttpBackend:
    return HttpBackend(config.http, surroundings.folder, ElasticsearchWire(config))


KIND: Final = Kind(
    schema=_schema,
    config=_config,
    open=_open,
    doubts=lambda config: http_doubts(config.http),
)
