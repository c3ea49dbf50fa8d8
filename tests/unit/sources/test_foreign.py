from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType
from towline.sources.foreign import LONGEST, records

ORIGIN = Origin(
    type=OriginType.CONTAINER, name="web", device="attic", app="7", project="shop", service="web",
    container_id="c" * 64, container="shop-web-1", image="web:1",
)  # fmt: skip
NOW = 1_700_000_000_000_000_000


def payload(**more: Any) -> bytes:
    line = Line(
        "hello", "2023-10-01T21:20:01.000000123Z", 1696195201000, True, 7, "error", '{"a":[1]}'
    )
    row = json.loads(encode(template_of(ORIGIN), [line], 5)[0].json)
    return json.dumps(row | more).encode()


def taken(data: bytes) -> list[Any]:
    return records(data, source="fleet", clock=lambda: NOW)


def test_a_record_comes_in_as_it_went_out() -> None:
    (found,) = taken(payload())
    assert found.id == f"{5:016x}"
    origin, line = found.origin, found.line
    assert (origin.device, origin.name, origin.service) == ("attic", "web", "web")
    assert (origin.container_id, origin.image, origin.source) == ("c" * 64, "web:1", "fleet")
    assert (line.text, line.level, line.stderr) == ("hello", "error", True)
    assert line.time == "2023-10-01T21:20:01.000000123Z"
    assert json.loads(line.fields) == {"a": [1]}
    assert line.seq == 0, "a number of another device's log says nothing here"
    assert json.loads(f"{{{line.extra[1:]}}}") == {"remoteId": found.id}


def test_a_batch_is_its_records() -> None:
    row = payload().decode()
    found = taken(f'{{"count":2,"logs":[{row},{row}]}}'.encode())
    assert [one.line.text for one in found] == ["hello", "hello"]


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"[]", b"{}", b'{"logs":1}', b'{"message":1}', b'{"logs":[1]}', b"\xff"]
)
def test_what_is_no_record_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match="neither a record nor a batch"):
        taken(data)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    )
)
def test_nothing_else_is_ever_raised(value: Any) -> None:
    with suppress(ValueError):
        taken(json.dumps({"message": value, "logs": value, "fields": value}).encode())


@pytest.mark.parametrize(
    ("more", "attribute", "expected"),
    [
        ({"level": "shout"}, "level", ""),
        ({"timestamp": -1}, "timestamp", NOW // 1_000_000),
        ({"timestamp": 1 << 60}, "timestamp", NOW // 1_000_000),
        ({"time": '2023"'}, "time", "2023-10-01T21:20:01.000000000Z"),
        ({"time": "2023-10-01T21:20:01.00000012\u0663Z"}, "time", "2023-10-01T21:20:01.000000000Z"),
        ({"time": "2024-10-01T21:20:01.000000123Z"}, "time", "2023-10-01T21:20:01.000000000Z"),
    ],
)
def test_what_cannot_be_is_not_believed(more: Any, attribute: str, expected: Any) -> None:
    (found,) = taken(payload(**more))
    assert getattr(found.line, attribute) == expected


def test_nobody_speaks_in_towline_s_own_name() -> None:
    (found,) = taken(payload(source={"type": "manager", "name": "towline"}))
    assert found.origin.type == OriginType.DEVICE
    (found,) = taken(payload(source={"type": "nonsense", "name": "x" * 1000}))
    assert found.origin.type == OriginType.DEVICE
    assert len(found.origin.name) == 255


def test_a_message_has_a_bound() -> None:
    (found,) = taken(payload(message="x" * (LONGEST + 5)))
    assert len(found.line.text) == LONGEST
