from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
import voluptuous as vol

from tests.unit.backends.records import OWN, TIME, WEB, configured, record
from towline.backends.clickhouse import KIND, ClickHouseWire
from towline.record import Record


def wire(**written: Any) -> ClickHouseWire:
    return ClickHouseWire(configured(KIND, url="http://ch:8123", **written))


def options(batch: list[Record], **written: Any) -> dict[str, str]:
    path = wire(**written).request(batch).path
    return {key: value for key, (value,) in parse_qs(path.removeprefix("/?")).items()}


def test_a_row_has_a_value_for_each_column() -> None:
    row = json.loads(wire().request([record("x", stderr=True, fields='{"a":1}')]).body)
    assert row == {
        "timestamp": TIME,
        "id": "0000000000000007",
        "seq": 5,
        "level": "info",
        "stream": "stderr",
        "message": "x",
        "fields": {"a": "1"},
        "device": "pi",
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


def test_the_statement_names_the_table() -> None:
    found = options([record()], database="fleet", table="lines")
    assert found["query"] == "INSERT INTO lines FORMAT JSONEachRow"
    assert found["database"] == "fleet"


def test_the_same_batch_has_the_same_token_and_another_has_another() -> None:
    other = type(WEB)(type=OWN.type, name="x", device="attic")
    batches = [[record()], [record()], [record(), record()], [record(origin=other)]]
    tokens = [options(batch)["insert_deduplication_token"] for batch in batches]
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3


@pytest.mark.parametrize("name", ["logs; DROP TABLE x", "", "1a", "a.b", "\u00e4", "a" * 129])
def test_a_name_that_needs_quotes_is_refused(name: str) -> None:
    with pytest.raises(vol.Invalid):
        wire(table=name)
