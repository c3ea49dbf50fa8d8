from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.unit.backends.records import NS, OWN, record
from towline.backends.http import Answer
from towline.backends.otlp import OtlpWire
from towline.backends.otlp_values import any_value
from towline.errors import Rejected
from towline.record import LEVELS, Record


def resources(*batch: Record) -> list[Any]:
    return json.loads(OtlpWire().request(batch).body)["resourceLogs"]  # type: ignore[no-any-return]


def only(found: Record) -> Any:
    return resources(found)[0]["scopeLogs"][0]["logRecords"][0]


def flat(attributes: list[Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in attributes}


def test_an_origin_is_a_resource_and_order_is_kept_within() -> None:
    found = resources(record("a"), record("b", OWN), record("c"))
    assert [
        [entry["body"]["stringValue"] for entry in group["scopeLogs"][0]["logRecords"]]
        for group in found
    ] == [["a", "c"], ["b"]]
    assert flat(found[0]["resource"]["attributes"]) == {
        "service.name": "web",
        "service.namespace": "shop",
        "host.name": "pi",
        "container.id": "c0ffee",
        "container.name": "shop-web-1",
        "container.image.name": "shop/web:3",
        "towline.app": "1001",
        "towline.source": "docker",
        "towline.type": "container",
    }
    assert flat(found[1]["resource"]["attributes"])["service.name"] == "towline"


def test_a_record_keeps_its_nanoseconds_level_stream_and_fields() -> None:
    found = only(record("x", level="error", stderr=True, fields='{"n":1,"ok":true}'))
    assert found["timeUnixNano"] == str(NS)
    assert (found["severityNumber"], found["severityText"]) == (17, "ERROR")
    assert flat(found["attributes"]) == {
        "n": "1",
        "ok": True,
        "log.iostream": "stderr",
        "towline.id": "0000000000000007",
        "towline.seq": "5",
    }


def test_every_level_has_its_number_in_order() -> None:
    numbers = [only(record(level=level))["severityNumber"] for level in LEVELS]
    assert numbers == [1, 5, 9, 13, 17, 21]


def test_a_trace_that_the_line_names_is_the_records() -> None:
    trace, span = "0AF7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    found = only(record(fields=f'{{"trace_id":"{trace}","spanId":"{span}"}}'))
    assert (found["traceId"], found["spanId"]) == (trace.lower(), span)
    for wrong in ("0" * 32, "xyz", 7):
        assert "traceId" not in only(record(fields=json.dumps({"trace_id": wrong})))


def nested(depth: int) -> Any:
    return 1 if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (True, {"boolValue": True}),
        (2**63 - 1, {"intValue": str(2**63 - 1)}),
        (10**400, {"stringValue": str(10**400)}),
        (1.5, {"doubleValue": 1.5}),
        ("x", {"stringValue": "x"}),
        (None, {}),
        ([1, None], {"arrayValue": {"values": [{"intValue": "1"}, {}]}}),
        ({"a": "b"}, {"kvlistValue": {"values": [{"key": "a", "value": {"stringValue": "b"}}]}}),
    ],
)
def test_values_of_fields_keep_their_types(item: Any, value: Any) -> None:
    assert any_value(item) == value


def test_what_is_nested_too_deeply_ends_as_text() -> None:
    assert "stringValue" in json.dumps(any_value(nested(60)))


def partial(refused: object) -> Answer:
    body = {"partialSuccess": {"rejectedLogRecords": refused, "errorMessage": "too old"}}
    return Answer(200, json.dumps(body).encode(), "application/json")


def test_a_partial_success_is_said_and_not_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    OtlpWire().judge([record()] * 2, partial("1"))
    (told,) = caplog.records
    assert told.levelno == logging.ERROR
    assert vars(told)["reason"] == "1 of 2 refused: too old"


def test_when_all_are_refused_all_are_named() -> None:
    with pytest.raises(Rejected) as caught:
        OtlpWire().judge([record()] * 2, partial(2))
    assert caught.value.positions == (0, 1)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"partialSuccess":{}}', b'{"partialSuccess":null}'])
def test_a_whole_success_may_be_said_in_many_ways(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    OtlpWire().judge([record()], Answer(200, body, "application/json"))
    assert not caplog.records
