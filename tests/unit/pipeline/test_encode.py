import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.pipeline.encode import Decoder, encode, template_of
from towline.record import LEVELS, Line, Origin, OriginType, Record

API = Origin(
    type=OriginType.CONTAINER,
    name="api",
    device="living-room-pi",
    app="1001",
    project="shop",
    service_id=2,
    service="api",
    container_id="def456",
    container="shop-api-1",
    image="shop/api:3",
    engine="ENGINE",
    source="docker",
    labels=(("tier", "back"),),
)
TIME = "2023-10-01T21:20:01.000000123Z"
text = st.text(st.characters(categories=["Cs", "Ll"]), min_size=1)
whole_text = st.text()


def line(message: str = "m", **more: Any) -> Line:
    return Line(message, TIME, 1696195201000, **{"level": "info", **more})


def one(origin: Origin, given: Line, offset: int = 0) -> Record:
    return encode(template_of(origin), [given], offset)[0]


def test_a_record_looks_as_the_design_says_in_its_order() -> None:
    given = line(
        "Error connecting to database",
        stderr=True,
        seq=4711,
        level="error",
        fields='{"event":"db_connect","attempt":3}',
        extra=',"partial":true',
    )
    assert one(API, given, 0x1234567890ABCDEF).json.decode() == (
        '{"id":"1234567890abcdef","message":"Error connecting to database",'
        '"timestamp":1696195201000,"time":"2023-10-01T21:20:01.000000123Z","level":"error",'
        '"source":{"type":"container","name":"api"},"device":"living-room-pi","app":"1001",'
        '"project":"shop","serviceId":2,"serviceName":"api","containerId":"def456","seq":4711,'
        '"containerName":"shop-api-1","image":"shop/api:3","isStdErr":true,"isSystem":false,'
        '"fields":{"event":"db_connect","attempt":3},"partial":true}'
    )


def test_what_an_origin_does_not_have_is_left_out() -> None:
    host = Origin(type=OriginType.HOST, name="ssh", device="pi")
    assert list(json.loads(one(host, line()).json)) == [
        "id", "message", "timestamp", "time", "level", "source", "device", "seq", "isStdErr",
        "isSystem",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "system", "expected"),
    [
        (OriginType.CONTAINER, False, False),
        (OriginType.CONTAINER, True, True),
        (OriginType.SYSTEM, False, True),
        (OriginType.MANAGER, False, True),
        (OriginType.HOST, False, False),
    ],
)
def test_records_of_towline_itself_say_so(type_: OriginType, system: bool, expected: bool) -> None:
    for stderr in (False, True):
        record = one(replace(API, type=type_), line(system=system, stderr=stderr))
        found = json.loads(record.json)
        assert (found["isSystem"], found["isStdErr"], record.stderr) == (expected, stderr, stderr)


@given(
    message=whole_text,
    offset=st.integers(0, (1 << 64) - 1),
    seq=st.integers(0, 1 << 53),
    level=st.sampled_from(LEVELS),
    stderr=st.booleans(),
    name=whole_text,
    image=st.none() | whole_text,
)
def test_a_record_reads_back_as_it_was(
    message: str, offset: int, seq: int, level: str, stderr: bool, name: str, image: str | None
) -> None:
    origin = replace(API, name=name, image=image)
    given = line(message, seq=seq, level=level, stderr=stderr)
    record = one(origin, given, offset)
    assert b"\n" not in record.json
    assert json.loads(record.json)["message"] == record.message == message
    decode = Decoder()
    decode.labels["def456"] = API.labels
    assert decode(record.json) == Record(
        offset,
        replace(origin, engine=None, source=None),
        given.timestamp,
        level,
        stderr,
        seq,
        message,
        record.json,
    )


@given(text)
def test_half_a_surrogate_pair_becomes_a_question_mark(message: str) -> None:
    record = one(API, line(message))
    assert record.message == message.encode(errors="replace").decode()
    assert json.loads(record.json)["message"] == record.message


@pytest.mark.parametrize(
    "character", ["\0", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\U0001f600"]
)
def test_unusual_characters_survive(character: str) -> None:
    record = one(API, line(f"a{character}b"))
    assert json.loads(record.json)["message"] == f"a{character}b"
    assert Decoder()(record.json).message == f"a{character}b"


@given(st.integers(0, 1 << 60), st.integers(0, 700))
def test_offsets_of_a_batch_follow_on_and_ids_sort_like_them(start: int, count: int) -> None:
    records = encode(template_of(API), [line(str(n)) for n in range(count)], start)
    assert [record.offset for record in records] == list(range(start, start + count))
    ids = [json.loads(record.json)["id"] for record in records]
    assert ids == [record.id for record in records] == sorted(ids)


def test_a_decoder_gives_equal_origins_as_one() -> None:
    decode = Decoder()
    first = decode(one(API, line("a")).json).origin
    assert decode(one(API, line("b")).json).origin is first
    other = decode(one(replace(API, container_id="new"), line("c")).json).origin
    assert other is not first
    assert other.labels == ()


def test_a_decoder_keeps_a_bounded_number_of_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towline.pipeline.encode.MAX_ORIGINS", 4)
    decode = Decoder()
    for number in range(20):
        row = one(replace(API, container_id=f"c{number}"), line()).json
        assert decode(row).origin.container_id == f"c{number}"
    assert len(decode._origins) <= 4


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"{}",
        b"\0" * 40,
        b'{"id":"zz","message":"","timestamp":1,"level":"info","source":{"type":"host","name":""},'
        b'"device":"d"}',
        b'{"id":"0000000000000001","message":"","timestamp":1,"level":"info",'
        b'"source":{"type":"nonsense","name":""},"device":"d"}',
        b'{"id":"0000000000000001","message":"\xff","timestamp":1,"level":"info",'
        b'"source":{"type":"host","name":""},"device":"d"}',
    ],
)
def test_a_row_that_is_no_record_is_a_value_error(row: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Decoder()(row)
