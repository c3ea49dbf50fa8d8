"""JSON values as OTLP has them (opentelemetry-proto common/v1/common.proto, `AnyValue`). Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_DEEPEST: Final = 8


def attributes(values: dict[str, Any], depth: int = 0) -> list[dict[str, Any]]:
    """A mapping as `KeyValue`s."""
    return [{"key": key, "value": any_value(item, depth)} for key, item in values.items()]


def any_value(item: Any, depth: int = 0) -> dict[str, Any]:
    """A JSON value as `AnyValue`: integers are texts, what is nested too deeply is its JSON."""
    match item:
        case bool():
            return {"boolValue": item}
        case int() if -(2**63) <= item < 2**63:
            return {"intValue": str(item)}
        case float():
            return {"doubleValue": item}
        case str():
            return {"stringValue": item}
        case list() if depth < _DEEPEST:
            return {"arrayValue": {"values": [any_value(each, depth + 1) for each in item]}}
        case dict() if depth < _DEEPEST:
            pairs = [
                {"key": key, "value": any_value(each, depth + 1)} for key, each in item.items()
            ]
            return {"kvlistValue": {"values": pairs}}
        case None:
            return {}
        case _:
            return {"stringValue": msgspec.json.encode(item).decode()}
