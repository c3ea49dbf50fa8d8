import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.pipeline.encode import Decoder, encode, template_of
from towline.pipeline.parse import parse_json
from towline.record import Line, Origin, OriginType, Record


def parsed(text: str, level: str = "") -> Line:
    line = Line(text, "2026-11-21T10:22:47.123456789Z", 1795256567123, level=level)
    parse_json(line)
    return line


@pytest.mark.parametrize(
    ("text", "level", "message", "fields"),
    [
        pytest.param(
            '{"level":30,"time":1795256567123,"pid":1,"hostname":"h","msg":"hello"}',
            "info", "hello", {"time": 1795256567123, "pid": 1, "hostname": "h"}, id="pino",
        ),
        pytest.param(
            '{"name":"a","hostname":"h","pid":1,"level":50,"msg":"it broke","v":0}',
            "error", "it broke", {"name": "a", "hostname": "h", "pid": 1, "v": 0}, id="bunyan",
        ),
        pytest.param(
            '{"level":"warn","ts":1795256567.123,"caller":"a.go:1","msg":"slow","took":0.5}',
            "warn", "slow", {"ts": 1795256567.123, "caller": "a.go:1", "took": 0.5}, id="zap",
        ),
        pytest.param(
            '{"level":"warning","msg":"slow","time":"2026-11-21T10:22:47Z"}',
            "warn", "slow", {"time": "2026-11-21T10:22:47Z"}, id="logrus",
        ),
        pytest.param(
            '{"event":"db_connect","level":"error","attempt":3}',
            "error", "db_connect", {"attempt": 3}, id="structlog",
        ),
        pytest.param(
            '{"event":"db_connect","message":"connecting","level":"debug"}',
            "debug", "connecting", {"event": "db_connect"}, id="message before event",
        ),
        pytest.param(
            '{"t":{"$date":"2026-11-21"},"s":"W","c":"NETWORK","id":1,"msg":"refused"}',
            "warn", "refused", {"t": {"$date": "2026-11-21"}, "c": "NETWORK", "id": 1},
            id="mongodb",
        ),
        pytest.param(
            '{"@timestamp":"x","log":{"level":"ERROR","logger":"a.B"},"message":"m"}',
            "error", "m", {"@timestamp": "x", "log": {"level": "ERROR", "logger": "a.B"}},
            id="ecs nested",
        ),
        pytest.param(
            '{"@timestamp":"x","log.level":"INFO","message":"m"}',
            "info", "m", {"@timestamp": "x"}, id="ecs dotted",
        ),
        pytest.param(
            '{"severity":"CRITICAL","message":"m"}', "fatal", "m", None, id="google cloud",
        ),
        pytest.param(
            '{"EventId":0,"LogLevel":"Information","Category":"A","Message":"m"}',
            "info", "m", {"EventId": 0, "Category": "A"}, id="dotnet",
        ),
        pytest.param(
            '{"levelname":"WARNING","name":"root","message":"m"}',
            "warn", "m", {"name": "root"}, id="python-json-logger",
        ),
        pytest.param(
            '{"log":"line of a driver\\n","stream":"stdout"}',
            "", "line of a driver\n", {"stream": "stdout"}, id="log as a message",
        ),
        pytest.param(
            '{"level":"info","request":{"path":"/x","headers":[1,null,{"a":[]}]},"msg":""}',
            "info", "", {"request": {"path": "/x", "headers": [1, None, {"a": []}]}}, id="nested",
        ),
        pytest.param(
            '{"level":"nonsense","severity":"error","msg":1,"text":"m"}',
            "error", "m", {"level": "nonsense", "msg": 1}, id="members of the wrong kind stay",
        ),
        pytest.param('{"msg":"m","a":"\\u2028\\u0000"}', "", "m", {"a": "\u2028\0"}, id="escapes"),
    ],
)  # fmt: skip
def test_a_json_line_gives_its_level_message_and_fields(
    text: str, level: str, message: str, fields: Any
) -> None:
    line = parsed(text)
    assert (line.level, line.text) == (level, message)
    assert (json.loads(line.fields) if line.fields else None) == fields


def test_a_line_without_a_message_keeps_its_text_and_gives_fields() -> None:
    line = parsed('{"level":"error","code":7}')
    assert (line.level, line.text) == ("error", '{"level":"error","code":7}')
    assert line.fields == '{"code":7}'


def test_a_level_that_the_source_knew_survives_a_line_that_names_none() -> None:
    assert parsed('{"msg":"m"}', level="warn").level == "warn"


def test_an_empty_object_stays_as_it_is() -> None:
    line = parsed("{}")
    assert (line.text, line.level, line.fields) == ("{}", "", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}}",
        "{'a': 1}",
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":1e999}',
        '{"a":01}',
        '{"a":"\\ud800"}',
        '{"a":"\ud800"}',
        '{"a":1,}',
        '{"a" 1}',
        '{"a":"unfinished}',
        '{"a":1}{"b":2}',
        '[{"a":1}]',
        '{"a":' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"a":' * 20_000 + "1" + "}" * 20_000,
    ],
)
def test_what_only_looks_like_json_stays_as_it_is(text: str) -> None:
    line = parsed(text)
    assert (line.text, line.level, line.fields) == (text, "", "")


def test_a_huge_object_is_parsed() -> None:
    whole = {"msg": "x" * 1_000_000, "rows": list(range(10_000)), "n": 10**40}
    line = parsed(json.dumps(whole))
    assert len(line.text) == 1_000_000
    assert json.loads(line.fields) == {"rows": list(range(10_000)), "n": 10**40}


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_names = st.sampled_from(["level", "severity", "msg", "message", "event", "log", "s"]) | st.text()


@given(st.dictionaries(_names, _values, max_size=6))
def test_no_member_is_lost_and_fields_are_json(whole: dict[str, Any]) -> None:
    line = parsed(json.dumps(whole))
    fields = json.loads(line.fields) if line.fields else {}
    assert fields.items() <= whole.items()
    taken = whole.keys() - fields.keys()
    assert len(taken) <= 2
    assert not taken or line.level or line.text in whole.values()


@given(st.text().map(lambda text: "{" + text + "}"))
def test_nothing_raises(text: str) -> None:
    parsed(text)


@pytest.mark.parametrize("depth", [99, 100, 900, 990, 996])
def test_fields_that_are_kept_can_be_read_back_from_anywhere(depth: int) -> None:
    line = parsed('{"a":' + "[" * depth + "]" * depth + "}", "info")
    assert bool(line.fields) == (depth < 100)
    origin = Origin(type=OriginType.CONTAINER, name="web", device="pi")
    (record,) = encode(template_of(origin), [line], 0)

    def deep_in_calls(more: int) -> Record:
        return deep_in_calls(more - 1) if more else Decoder()(record.json)

    assert deep_in_calls(300).json == record.json
