from __future__ import annotations

from copy import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.runtime.trial_rig import DB, WEB, line, settings
from towline.config.settings import Match, Route, Settings
from towline.delivery.router import Router
from towline.pipeline.pipeline import Pipeline
from towline.record import LEVELS, Line, Origin
from towline.runtime.trial import Trial, Tried


def tried(text: str, message: str, origin: Origin = WEB, **more: Any) -> Tried:
    return Trial(settings(text))(origin, line(message, **more))


def test_a_line_goes_where_its_routes_lead() -> None:
    routes = """routes:
- {match: {regex: "(?i)payment"}, to: elk, final: true}
- {match: {min_level: warn}, to: [mqtt, loki]}
"""
    assert tried(routes, "PAYMENT failed", level="error").to == ("elk",)
    assert tried(routes, "odd", level="warn").to == ("loki", "mqtt")
    assert tried(routes, "fine").to == ()
    assert tried("", "fine").to == ("elk", "loki", "mqtt")


def test_what_each_step_made_of_a_line_is_told() -> None:
    assert tried("", "plain").changed == frozenset()
    assert tried("", "password=hunter2").changed == {"redacted"}
    assert tried("", '{"msg": "x", "n": 1}').changed == {"parsed"}
    assert tried("", '{"msg": "x"}').changed == {"parsed"}
    assert tried("", '{"msg": "token=abcdef123"}').changed == {"redacted", "parsed"}
    assert tried("", "ERROR no").changed == {"level"}
    assert tried("", "ERROR no", stderr=True).changed == frozenset()
    assert tried("", '{"level": "warn", "msg": "x"}', level="info").changed == {"level", "parsed"}


def test_a_line_is_shown_as_it_would_be() -> None:
    found = tried("", '{"level": "warn", "msg": "password=hunter2", "n": {"a": 1}}')
    assert found.record is not None
    assert (found.record.level, found.record.message) == ("warn", "password=[REDACTED]")
    assert found.fields == {"n": {"a": 1}}
    assert b"hunter2" not in found.record.json


def test_what_a_step_remembers_is_forgotten_when_asked() -> None:
    trial = Trial(settings(""))
    trial(WEB, line("-----BEGIN RSA PRIVATE KEY-----"))
    assert trial(WEB, line("MIIEowIBAAKCAQEA")).changed == {"redacted"}
    trial(WEB, line("-----BEGIN RSA PRIVATE KEY-----"))
    trial.forget()
    assert trial(WEB, line("MIIEowIBAAKCAQEA")).changed == frozenset()


TEXTS = st.one_of(
    st.sampled_from(
        [
            "GET / 200",
            "payment failed",
            "ERROR payment",
            "password=hunter2 payment",
            '{"level": "warn", "msg": "payment", "shop": "a"}',
            '{"msg": "token=abcdef123", "shop": "b"}',
            '{"level": "error"}',
            "{no json}",
        ]
    ),
    st.text(max_size=30).filter(lambda text: "\n" not in text),
)
LINES = st.builds(
    line,
    TEXTS,
    stderr=st.booleans(),
    level=st.sampled_from(["", "", *LEVELS]),
)
MATCHES = st.builds(
    Match,
    service=st.sampled_from([(), (), ("web",), ("d*", "x")]),
    min_level=st.sampled_from(["", "", "warn"]),
    level=st.sampled_from([(), (), ("info", "error")]),
    stream=st.sampled_from([(), (), ("stderr",)]),
    regex=st.sampled_from(["", "", "(?i)payment", "REDACTED"]),
    fields=st.sampled_from([(), (), (("shop", "a"),)]),
    negated=st.sampled_from([None, None, Match(level=("info",)), Match(service=("web",))]),
)
BACKENDS = st.lists(st.sampled_from(["elk", "loki", "mqtt"]), unique=True, min_size=1)
ROUTES = st.lists(
    st.builds(Route, match=MATCHES, to=BACKENDS.map(tuple), final=st.booleans()), max_size=5
)
PIPELINES = st.sampled_from(
    [
        settings(f"pipeline: {{multiline: off, parse: {parse}, redact: {redact}}}").pipeline
        for parse in ("[]", "[json]")
        for redact in ("[]", "[tokens]", '[{pattern: "pay", with: "PAY"}]')
    ]
)
PLAIN = settings("")


def with_parts(pipeline: object, routes: list[Route]) -> Settings:
    values = {name: getattr(PLAIN, name) for name in PLAIN.__dataclass_fields__}
    return Settings(**values | {"pipeline": pipeline, "routes": tuple(routes)})


@given(PIPELINES, ROUTES, st.lists(LINES, max_size=6), st.sampled_from([WEB, DB]))
def test_a_trial_says_what_is_stored_and_delivered(
    pipeline: object, routes: list[Route], lines: list[Line], origin: Origin
) -> None:
    wanted = with_parts(pipeline, routes)
    router = Router(wanted.routes)
    stored = Pipeline(wanted.pipeline).refine(origin, [copy(each) for each in lines], 0)
    delivered = {
        name: {record.offset for record in router.wanted(name, stored)} for name in wanted.backends
    }
    one_by_one = Trial(wanted)
    single = [one_by_one(origin, copy(each)) for each in lines]
    many = Trial(wanted).many(origin, [copy(each) for each in lines])
    for found in (single, many):
        records = [each.record for each in found]
        assert [(r.level, r.message) for r in records if r] == [
            (r.level, r.message) for r in stored
        ]
        for name in wanted.backends:
            assert {at for at, each in enumerate(found) if name in each.to} == delivered[name]
    assert [each.changed for each in single] == [each.changed for each in many]


STEPS = """pipeline:
  drop: [{regex: "GET /health"}]
  limits: [{match: {regex: chatty}, rate: 1/s, over: drop}]
"""


def test_what_becomes_of_each_line_is_told_by_the_steps_in_force() -> None:
    texts = ["panic: a", "\tpassword=hunter2", "GET /health", "chatty", "chatty", "fine"]
    found = Trial(settings(STEPS)).many(WEB, [line(text) for text in texts])
    assert [set(each.changed) for each in found] == [
        {"joined"},
        {"joined", "redacted", "level"},
        {"dropped"},
        set(),
        {"limited"},
        set(),
    ]
    stored = [each.record.message for each in found if each.record]
    assert stored == ["panic: a\n\tpassword=[REDACTED]", "chatty", "fine"]
    assert [each.to for each in found if not each.record] == [()] * 3


def test_the_clock_of_a_trial_is_that_of_its_lines() -> None:
    lines = [line("chatty", 0), line("chatty", 1000), line("panic: a", 2000), line("\tb", 9000)]
    found = Trial(settings(STEPS)).many(WEB, lines)
    assert [each.record is not None for each in found] == [True] * 4


def test_lines_of_two_streams_are_tried_as_they_are_joined() -> None:
    lines = [line("panic: a"), line("out", stderr=True), line("\tb")]
    found = Trial(settings(STEPS)).many(WEB, lines)
    assert [each.record and each.record.message for each in found] == [None, "out", "panic: a\n\tb"]
