from __future__ import annotations

import json
from typing import Any

import pytest
import voluptuous as vol

from tests.unit.backends.records import NS, OWN, TIME, WEB, configured, record
from towline.backends.elasticsearch import KIND, ElasticsearchWire
from towline.backends.http import Answer
from towline.errors import Rejected, Retryable
from towline.record import Record


def wire(**written: Any) -> ElasticsearchWire:
    return ElasticsearchWire(configured(KIND, url="http://es:9200", **written))


def rows(*batch: Record, **written: Any) -> list[Any]:
    body = wire(**written).request(batch).body
    assert body.endswith(b"\n")
    return [json.loads(row) for row in body.splitlines()]


def index(**written: Any) -> str:
    origin = written.pop("origin", WEB)
    return str(rows(record(origin=origin), **written)[0]["create"]["_index"])


def answer(*statuses: int) -> Answer:
    items = [
        {"create": {"status": status, "error": {"type": "t", "reason": f"r{status}"}}}
        for status in statuses
    ]
    return Answer(200, json.dumps({"errors": True, "items": items}).encode(), "application/json")


def test_a_document_is_the_record_with_a_time_of_its_own() -> None:
    whole = record("x", fields='{"a":1}')
    _, document = rows(whole)
    assert document == {"@timestamp": TIME, **json.loads(whole.json)}


def test_the_same_line_has_the_same_id_and_another_has_another() -> None:
    ids = [
        rows(each)[0]["create"]["_id"]
        for each in (record("x"), record("y"), record(seq=6), record(time=TIME[:-2] + "5Z"))
    ]
    assert ids[0] == ids[1] == f"c0ffee-5-{NS}"
    assert len(set(ids)) == 3


@pytest.mark.parametrize("other", [record(origin=OWN), record(seq=0), record(system=True)])
def test_what_docker_does_not_count_is_known_by_its_own_id(other: Record) -> None:
    assert rows(other)[0]["create"]["_id"] == "pi-0000000000000007"


def test_the_index_is_filled_in_and_may_be_called_so() -> None:
    assert index() == "logs-shop-2026.01.02"
    assert index(origin=OWN) == "logs-unknown-2026.01.02"
    assert index(index="{device}-{level}-{stream}") == "pi-info-stdout"
    hostile = type(WEB)(type=WEB.type, name="x", device="pi", service='-A b/*"\u00c4' + "x" * 300)
    found = index(index="{service}", origin=hostile)
    assert found.startswith("a_b___\u00e4x")
    assert len(found.encode()) <= 255


def test_an_index_of_dots_is_none() -> None:
    hostile = type(WEB)(type=WEB.type, name="x", device="..", service="..")
    assert index(index="{service}", origin=hostile) == "logs"


@pytest.mark.parametrize("statuses", [(201, 201), (201, 409), (200, 409)])
def test_what_is_there_already_has_arrived(statuses: tuple[int, ...]) -> None:
    wire().judge([record()] * 2, answer(*statuses))


@pytest.mark.parametrize("status", [429, 500, 503, 403, 404])
def test_while_one_may_pass_later_all_are_sent_again(status: int) -> None:
    with pytest.raises(Retryable, match=rf"t \({status}\) r{status}"):
        wire().judge([record()] * 3, answer(201, 400, status))


def test_those_never_taken_are_named_once_the_others_are_in() -> None:
    with pytest.raises(Rejected, match=r"t \(400\) r400") as caught:
        wire().judge([record()] * 4, answer(201, 400, 409, 413))
    assert caught.value.positions == (1, 3)


def test_an_answer_for_fewer_records_is_none() -> None:
    with pytest.raises(Retryable, match="answered for 1 of 2"):
        wire().judge([record()] * 2, answer(201))


@pytest.mark.parametrize("name", ["Logs", "logs *", "_logs", "-x", "{colour}", "", "a/b"])
def test_what_no_index_may_be_called_is_refused(name: str) -> None:
    with pytest.raises(vol.Invalid):
        wire(index=name)
