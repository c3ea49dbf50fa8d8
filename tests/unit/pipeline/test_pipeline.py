import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from towline.config.pipeline import Pipeline as PipelineSettings
from towline.config.pipeline import Redaction
from towline.pipeline.pipeline import Pipeline
from towline.record import LEVELS, Line, Origin, OriginType

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi")
NOTHING = PipelineSettings(multiline="off", parse=(), redact=(), drop=(), limits=())
ALL = replace(NOTHING, parse=("json",), redact=("tokens", "urls", "emails"))


def line(text: str, *, stderr: bool = False, level: str = "") -> Line:
    return Line(text, "2026-11-21T10:22:47.123456789Z", 1795256567123, stderr=stderr, level=level)


def test_a_line_that_names_no_level_gets_that_of_its_stream() -> None:
    out, err = Pipeline(ALL).refine(WEB, [line("a"), line("a", stderr=True)], 7)
    assert (out.level, err.level) == ("info", "error")
    assert (out.offset, err.offset) == (7, 8)


def test_a_level_that_the_source_gave_stays() -> None:
    (record,) = Pipeline(ALL).refine(WEB, [line("ERROR x", level="debug")], 0)
    assert record.level == "debug"


def test_the_level_of_a_json_line_without_one_is_that_of_its_message() -> None:
    (record,) = Pipeline(ALL).refine(WEB, [line('{"msg":"ERROR it broke","a":1}')], 0)
    assert (record.message, record.level) == ("ERROR it broke", "error")
    assert json.loads(record.json)["fields"] == {"a": 1}


def test_a_secret_is_gone_from_message_fields_and_json_alike() -> None:
    text = '{"level":"info","msg":"login token=abcdef","password":"hunter2","pin":12}'
    (record,) = Pipeline(ALL).refine(WEB, [line(text)], 0)
    assert record.message == "login token=[REDACTED]"
    assert json.loads(record.json)["fields"] == {"password": "[REDACTED]", "pin": 12}
    assert b"hunter2" not in record.json
    assert b"abcdef" not in record.json


def test_steps_that_are_not_asked_for_do_nothing() -> None:
    text = '{"level":"error","msg":"password=hunter2"}'
    pipeline = Pipeline(NOTHING)
    (record,) = pipeline.refine(WEB, [line(text)], 0)
    assert (record.message, record.level) == (text, "info")
    assert pipeline.counters["redacted"] == 0


def test_redacted_lines_are_counted() -> None:
    pipeline = Pipeline(ALL)
    pipeline.refine(WEB, [line("a"), line("password=x"), line("bob@example.net")], 0)
    assert pipeline.counters == {"redacted": 2}
    own = replace(NOTHING, redact=(Redaction(pattern="a+", replacement="b"),))
    pipeline = Pipeline(own)
    (record,) = pipeline.refine(WEB, [line("xaay")], 0)
    assert (record.message, pipeline.counters["redacted"]) == ("xby", 1)


def test_no_lines_are_no_records() -> None:
    assert Pipeline(ALL).refine(WEB, [], 5) == []


_texts = (
    st.text(st.characters(categories=["Cs", "Ll", "Cc"]))
    | st.text()
    | st.sampled_from(
        [
            '{"msg":"a"}',
            "{}",
            '{"level":[]}',
            "password=x",
            "-----BEGIN PRIVATE KEY-----",
            "\x1b[0m",
        ]
    )
)


@given(st.lists(st.tuples(_texts, st.booleans()), max_size=8))
def test_whatever_lines_hold_each_becomes_one_valid_record(given: list[tuple[str, bool]]) -> None:
    lines = [line(text, stderr=stderr) for text, stderr in given]
    records = Pipeline(ALL).refine(WEB, lines, 100)
    assert [record.offset for record in records] == list(range(100, 100 + len(given)))
    for record in records:
        found = json.loads(record.json)
        assert found["message"] == record.message
        assert found["level"] == record.level
        assert record.level in LEVELS
