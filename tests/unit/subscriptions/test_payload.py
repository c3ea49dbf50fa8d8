from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.broker.incoming import Incoming
from towline.config.subscriptions import Condition
from towline.subscriptions.occasions import occasion
from towline.subscriptions.payload import MOST, NOTHING, Payload, compiled

DOCUMENT = b'{"do":"restart","args":{"force":true,"n":3,"list":[{"a":"b"}],"none":null},"text":"x"}'


def condition(path: str = "", equals: str | None = None, regex: str | None = None) -> Condition:
    return Condition(path=path, equals=equals, regex=regex)


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        (condition("do", equals="restart"), True),
        (condition("do", equals="rest"), False),
        (condition("args.force", equals="true"), True),
        (condition("args.n", equals="3"), True),
        (condition("args.list.0.a", equals="b"), True),
        (condition("args.list.1.a", equals="b"), False),
        (condition("args.none"), True),
        (condition("args.none", equals="null"), True),
        (condition("args.gone"), False),
        (condition("text.deeper"), False),
        (condition("do", regex="^re"), True),
        (condition("do", regex="^start"), False),
        (condition(regex='"do":"restart"'), True),
        (condition(equals="x"), False),
    ],
)
def test_a_condition_looks_at_the_payload_or_at_a_path_of_its_json(
    wanted: Condition, holds: bool
) -> None:
    assert compiled([wanted])(Payload(DOCUMENT)) is holds


def test_every_condition_must_hold_and_none_is_needed() -> None:
    both = [condition("do", equals="restart"), condition("text", equals="y")]
    assert not compiled(both)(Payload(DOCUMENT))
    assert compiled([])(Payload(b"anything"))


@pytest.mark.parametrize("octets", [b"plain", b"", b"{", b"\xff\xfe", b"[" * 200_000])
def test_what_is_no_json_has_no_paths(octets: bytes) -> None:
    payload = Payload(octets)
    assert payload.document is NOTHING
    assert payload.words() == {}
    assert not compiled([condition("a")])(payload)


def test_templates_may_name_so_many_values_and_no_more() -> None:
    many = b"[" + b",".join(b"%d" % n for n in range(10_000)) + b"]"
    assert len(Payload(many).words()) == MOST
    deep = b'{"a":' * 50 + b"1" + b"}" * 50
    assert Payload(deep).words() == {}


@given(st.binary(max_size=200))
def test_no_payload_does_harm(octets: bytes) -> None:
    test = compiled([condition("a.0.b", equals="x"), condition(regex="a+")])
    test(Payload(octets))
    occasion("n", "pi", Incoming("a/b", octets), Payload(octets), 0)


def test_an_occasion_has_the_payload_as_json_where_it_is() -> None:
    found = occasion("n", "pi", Incoming("a/b", DOCUMENT), Payload(DOCUMENT), 0)
    assert b'"payload":{"do":"restart"' in found.json
    assert found.words["fields.args.list.0.a"] == "b"
    assert found.words["topic"] == "a/b"
    plain = occasion("n", "pi", Incoming("a/b", b"on"), Payload(b"on"), 0)
    assert b'"payload":"on"' in plain.json


def test_a_payload_cannot_take_the_place_of_a_word() -> None:
    octets = b'{"topic":"other","subscription":"x"}'
    found = occasion("n", "pi", Incoming("a/b", octets), Payload(octets), 0)
    assert (found.words["topic"], found.words["subscription"]) == ("a/b", "n")
