from __future__ import annotations

from tests.unit.runtime.trial_rig import settings
from towline.runtime.cases import Miss, run_cases

ROUTES = """routes:
- {match: {service: web, project: shop}, to: elk, final: true}
- {match: {label: tier=front, stream: stderr}, to: [mqtt, loki]}
"""


def misses(given: str, expect: str) -> list[Miss]:
    case = f"tests: [{{name: a, given: {given}, expect: {expect}}}]\n"
    (verdict,) = run_cases(settings(ROUTES + case))
    assert verdict.passed == (not verdict.misses)
    return list(verdict.misses)


def test_backends_are_compared_as_a_whole_in_any_order() -> None:
    front = "{message: x, stream: stderr, labels: {tier: front}}"
    assert misses(front, "{to: [mqtt, loki]}") == []
    assert misses(front, "{to: mqtt}") == [Miss("to", ["mqtt"], ["loki", "mqtt"])]
    assert misses("{message: x}", "{to: []}") == []
    assert misses(front, "{to: []}") == [Miss("to", [], ["loki", "mqtt"])]


def test_a_backend_that_must_not_get_it() -> None:
    shop = "{message: x, service: web, project: shop}"
    assert misses(shop, "{not_to: [mqtt, loki]}") == []
    assert misses(shop, "{not_to: elk}") == [Miss("not_to", ["elk"], ["elk"])]


def test_what_is_not_given_is_not_there() -> None:
    assert misses("{message: x, service: web}", "{not_to: elk}") == []


def test_level_message_and_fields_are_those_in_the_end() -> None:
    given = """{message: '{"level": "warn", "msg": "a token=abcdef12", "n": 3, "on": true}'}"""
    right = '{level: warn, message: "a token=[REDACTED]", fields: {n: "[1-3]", on: true}}'
    assert misses(given, right) == []
    assert misses(given, "{level: info, message: a, fields: {n: 4, m: 1}}") == [
        Miss("level", "info", "warn"),
        Miss("message", "a", "a token=[REDACTED]"),
        Miss("fields.n", "4", 3),
        Miss("fields.m", "1", None),
    ]


def test_a_level_of_the_source_counts_where_the_line_tells_none() -> None:
    assert misses("{message: x, level: fatal}", "{level: fatal}") == []
    assert misses("{message: x, stream: stderr}", "{level: error}") == []


def test_a_case_does_not_depend_on_those_before_it() -> None:
    text = """tests:
- {name: a, given: {message: "-----BEGIN RSA PRIVATE KEY-----"}, expect: {level: info}}
- {name: b, given: {message: MIIEowIBAAKCAQEA}, expect: {message: MIIEowIBAAKCAQEA}}
"""
    assert [verdict.passed for verdict in run_cases(settings(text))] == [True, True]


def test_a_case_knows_where_it_stands() -> None:
    text = "tests:\n- {name: a, given: {message: x}, expect: {to: []}}\n"
    (verdict,) = run_cases(settings(text))
    assert (verdict.case.line, verdict.case.column) == (6, 3)


def test_a_line_that_a_step_takes_out() -> None:
    drop = "pipeline: {drop: [{regex: health}]}\n"
    case = "tests: [{name: a, given: {message: %s}, expect: {dropped: %s}}]\n"
    for message, wanted, passed in (
        ("health", "true", True),
        ("health", "false", False),
        ("x", "true", False),
        ("x", "false", True),
    ):
        (verdict,) = run_cases(settings(ROUTES + drop + case % (message, wanted)))
        assert verdict.passed == passed
        assert passed or verdict.misses == (Miss("dropped", wanted == "true", message == "health"),)


def test_lines_that_become_one_record_are_compared_as_one() -> None:
    trace = '{message: "panic: a\\n\\tpassword=hunter2"}'
    assert misses(trace, '{message: "panic: a\\n\\tpassword=[REDACTED]", level: fatal}') == []
    assert misses('{message: "one\\ntwo"}', '{message: "one\\ntwo"}') == []
