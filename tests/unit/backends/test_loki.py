from __future__ import annotations

import json
from typing import Any

import pytest
import voluptuous as vol

from tests.unit.backends.records import NS, OWN, configured, record
from towline.backends.http import Answer
from towline.backends.loki import KIND, LokiWire
from towline.errors import Retryable
from towline.record import Record


def wire(**written: Any) -> LokiWire:
    return LokiWire(configured(KIND, url="http://loki:3100", **written))


def streams(batch: list[Record], **written: Any) -> Any:
    return json.loads(wire(**written).request(batch).body)["streams"]


def test_records_with_the_same_labels_are_one_stream_in_order() -> None:
    batch = [record("a"), record("b", level="error"), record("c")]
    found = streams(batch, metadata=False)
    assert [stream["stream"] for stream in found] == [
        {"device": "pi", "service": "web", "level": "info"},
        {"device": "pi", "service": "web", "level": "error"},
    ]
    assert [stream["values"] for stream in found] == [
        [[str(NS), "a"], [str(NS), "c"]],
        [[str(NS), "b"]],
    ]


def test_a_label_that_says_nothing_is_unknown() -> None:
    (found,) = streams([record(origin=OWN)], labels=["project", "stream"])
    assert found["stream"] == {"project": "unknown", "stream": "stdout"}


def test_the_rest_of_a_record_is_metadata_and_all_of_it_is_text() -> None:
    fields = '{"event":"db","attempt":3,"a.b":{"c":[1]},"long":"' + "x" * 600 + '"}'
    (found,) = streams([record(fields=fields)], labels=["device"])
    metadata = found["values"][0][2]
    assert metadata == {
        "event": "db",
        "attempt": "3",
        "a_b": '{"c":[1]}',
        "long": "x" * 512,
        "level": "info",
        "id": "0000000000000007",
        "seq": "5",
        "source": "docker",
        "name": "shop-web",
        "app": "1001",
        "project": "shop",
        "service": "web",
        "container": "shop-web-1",
        "container_id": "c0ffee",
        "image": "shop/web:3",
        "type": "container",
    }


def test_a_line_may_be_the_whole_record() -> None:
    whole = record()
    (found,) = streams([whole], line="json")
    assert found["values"][0][1].encode() == whole.json


def test_a_thousand_fields_do_not_exceed_what_loki_takes() -> None:
    fields = json.dumps({f"f{number}": number for number in range(1000)})
    metadata = streams([record(fields=fields)])[0]["values"][0][2]
    assert len(metadata) <= 128


def test_the_tenant_is_a_header() -> None:
    assert wire(tenant="home").request([record()]).headers == {"X-Scope-OrgID": "home"}
    assert not wire().request([record()]).headers


def test_what_is_not_stored_has_not_arrived() -> None:
    wire().judge([record()], Answer(204, b"", ""))
    with pytest.raises(Retryable):
        wire().judge([record()], Answer(260, b"", ""))


@pytest.mark.parametrize(
    "written",
    [
        {"labels": []},
        {"labels": ["container_id"]},
        {"url": "loki:3100"},
        {"url": "http://me:secret@loki"},
        {"url": "http://loki:99999"},
        {"url": "http://loki/?x=1"},
        {"password": "x"},
        {"token": "with\nnewline"},
        {"token": "x", "username": "me", "password": "x"},
        {"headers": {"Authorization": "x"}, "token": "y"},
        {"headers": {"Content-Type": "x"}},
        {"headers": {"X-A": "two\nlines"}},
        {"headers": {"X A": "x"}},
        {"headers": ["X-A"]},
        {"compression": "br"},
        {"batch": {"max_records": 5001}},
    ],
)
def test_a_wrong_value_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(vol.Invalid):
        configured(KIND, **({"url": "http://loki:3100"} | written))


def test_a_token_that_others_can_read_is_worth_a_warning() -> None:
    def doubts(**written: Any) -> list[str]:
        return [doubt.code for doubt in KIND.doubts(configured(KIND, **written))]

    assert doubts(url="http://loki", token="x") == ["unprotected"]
    assert doubts(url="https://loki", token="x", tls={"verify": False}) == ["unverified"]
    assert doubts(url="http://loki") == []
