"""openapi.json, made from the table of routes, so that it cannot say anything else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from towline.api.asked import FORMATS, MAX_LIMIT
from towline.api.routes import ENDPOINTS, Endpoint
from towline.record import LEVELS, OriginType

_TIME = "milliseconds since the epoch, RFC 3339, or a duration such as 1h: that long ago"
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_ID: Final[dict[str, Any]] = {"type": "string", "pattern": "^[0-9a-f]{16}$"}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _one_of(words: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


_FLAG: Final[dict[str, Any]] = {"type": "boolean"}
PARAMETERS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "name": (_list(_TEXT), "container (name or id), service or origin; a shell pattern"),
    "serviceId": (_list({"type": "integer"}), "service number"),
    "serviceName": (_list(_TEXT), "service; a shell pattern"),
    "containerId": (_list(_TEXT), "container id, or its first twelve characters or more"),
    "level": (_list(_one_of(LEVELS)), "level"),
    "sourceType": (_list(_one_of(map(str, OriginType))), "what kind of thing wrote it"),
    "since": (_TEXT, f"from then on: {_TIME}"),
    "until": (_TEXT, f"before then: {_TIME}"),
    "minLevel": (_one_of(LEVELS), "this level or worse"),
    "project": (_list(_TEXT), "Compose project; a shell pattern"),
    "app": (_list(_TEXT), "app; a shell pattern"),
    "device": (_list(_TEXT), "device; a shell pattern"),
    "container": (_list(_TEXT), "container name or id; a shell pattern"),
    "stream": (_list(_one_of(("stdout", "stderr"))), "stream"),
    "regex": (_TEXT, "pattern of the message (RE2)"),
    "text": (_TEXT, "text in the message; all lower case finds any case"),
    "not": (_TEXT, "text that is not in the message"),
    "limit": ({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "records of a page"),
    "before": (_ID, "only records before this id"),
    "after": (_ID, "only records after this id"),
    "order": (_one_of(("asc", "desc")), "oldest or newest first"),
    "format": (_one_of(FORMATS), "shape of the answer"),
    "count": (_TEXT, "lines of a device: a number, or all"),
    "start": (_TEXT, "lines of a device from then on: milliseconds, RFC 3339, or 1h ago"),
    "stream:device": ({"type": "integer", "enum": [0, 1]}, "1: go on with what comes"),
    "around": (_ID, "the record with this id and those about it, oldest first"),
    "context": ({"type": "integer", "minimum": 0}, "records to either side of `around`"),
    "bucket": (_TEXT, "width of a bucket: a duration"),
    "tail": (_TEXT, "records of the time before, or all"),
    "follow": (_FLAG, "go on with what comes"),
    "timestamps": (_FLAG, "told to clients that print text; records always carry their time"),
    "host_id": (_list(_TEXT), "the same as device"),
    "token": (_TEXT, "bearer token, where no header can be sent"),
    "topic": (_TEXT, "a topic, or a filter with + and #"),
    "before:audit": ({"type": "integer"}, "only entries before this number"),
    "file": (_TEXT, "what problems call the text"),
    "all": (_FLAG, "every record, where no filter is given"),
    "since?": (_TEXT, f"from then on: {_TIME}"),
    "from?": (_ID, "from this record on"),
    "serviceName?": (_TEXT, "service from now on"),
    "serviceId?": ({"type": "integer"}, "service number from now on"),
}
"""Every parameter: its schema and what it means."""


def document(version: str) -> dict[str, Any]:
    """The API as OpenAPI 3.1 describes one. WebSockets stand beside it, in `x-websockets`."""
    paths: dict[str, dict[str, Any]] = {}
    sockets: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        if endpoint.method == "WS":
            sockets[endpoint.path] = _operation(endpoint)
        else:
            paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Towline", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "x-websockets": sockets,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR, "Page": _PAGE},
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": endpoint.about,
        "parameters": [
            *(_parameter(name, "path") for name in re.findall(r"{(\w+)}", endpoint.path)),
            *(_parameter(name, "query") for name in endpoint.query),
        ],
        "responses": {
            "200": {"description": "as asked", "content": {endpoint.media_type: _schema(endpoint)}},
            "default": {"description": "refused", "content": _refused()},
        },
        "security": [] if endpoint.scope == "public" else [{"token": []}],
        "x-scope": endpoint.scope,
    }
    if endpoint.body:
        found["requestBody"] = {"content": {"application/json": {"schema": _body(endpoint)}}}
    if endpoint.about_body:
        schema = {"type": "object", "description": endpoint.about_body}
        found["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return found


def _parameter(name: str, place: str) -> dict[str, Any]:
    schema, about = PARAMETERS[name] if place == "query" else (_TEXT, "id or name")
    return {
        "name": name.partition(":")[0],
        "in": place,
        "required": place == "path",
        "description": about,
        "schema": schema,
    }


def _body(endpoint: Endpoint) -> dict[str, Any]:
    single = not endpoint.path.endswith("/search")
    found = {name: PARAMETERS[f"{name}?" if single else name] for name in endpoint.body}
    members = {name: schema | {"description": text} for name, (schema, text) in found.items()}
    return {"type": "object", "additionalProperties": False, "properties": members}


def _schema(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.path.endswith(("/v1/logs", "/logs/search")):
        return {"schema": {"$ref": "#/components/schemas/Page"}}
    return {}


def _refused() -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


_PAGE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["count", "logs", "next"],
    "properties": {
        "count": {"type": "integer"},
        "logs": _list({"type": "object"}),
        "next": {"anyOf": [_ID, {"type": "null"}]},
        "partial": {"type": "boolean"},
    },
}
_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": _TEXT,
                "message": _TEXT,
                "problems": _list({"type": "object"}),
            },
        }
    },
}
