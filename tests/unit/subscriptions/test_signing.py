from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.settings import Secret
from towline.subscriptions.signing import TOLERANCE, Doorkeeper, Refused, Request, signature

SECRET = Secret("a secret that was made by chance")
NOW = 1_800_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def signed(
    transaction: str = "a", *, at: int = NOW, what: str = "reload", device: str = "pi", **more: Any
) -> bytes:
    body = '{"n":1}'
    mac = signature(SECRET, device, what, transaction, at, body)
    about = {"transaction": transaction, "timestamp": at, "body": body, "signature": mac}
    return json.dumps(about | more).encode()


def code(admit: Callable[[], Request]) -> str:
    try:
        admit()
    except Refused as exc:
        return exc.code
    return ""


def test_a_signed_request_is_let_in_once() -> None:
    door = Doorkeeper("pi", SECRET, now=Clock())
    assert door.admit("reload", signed()).body == {"n": 1}
    for _ in range(10_000):
        assert code(lambda: door.admit("reload", signed())) == "repeated"


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (signed(what="level"), "bad_signature"),
        (signed(device="other"), "bad_signature"),
        (signed(body='{"n":2}'), "bad_signature"),
        (signed(transaction="b", signature="0" * 64), "bad_signature"),
        (signed(timestamp=NOW + 1), "bad_signature"),
        (signed(signature=None), "unsigned"),
        (signed(timestamp=str(NOW)), "unsigned"),
        (signed(body={"n": 1}), "unsigned"),
        (b'{"transaction":"a"}', "unsigned"),
        (b'{"transaction":""}', "no_transaction"),
        (b'{"transaction":"a\\n"}', "no_transaction"),
        (b"[]", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b"x" * 600_000, "too_large"),
    ],
)
def test_what_was_changed_is_refused(payload: bytes, why: str) -> None:
    door = Doorkeeper("pi", SECRET, now=Clock())
    assert code(lambda: door.admit("reload", payload)) == why


def test_the_clocks_may_differ_by_so_much() -> None:
    clock = Clock()
    clock.now = NOW - TOLERANCE - 1
    door = Doorkeeper("pi", SECRET, now=clock)
    assert code(lambda: door.admit("reload", signed())) == "stale"
    clock.now = NOW + TOLERANCE + 1
    assert code(lambda: door.admit("reload", signed())) == "stale"
    clock.now = NOW + TOLERANCE
    assert code(lambda: door.admit("reload", signed())) == ""


def test_no_request_is_forgotten_while_its_timestamp_counts() -> None:
    clock = Clock()
    clock.now = NOW - TOLERANCE
    door = Doorkeeper("pi", SECRET, now=clock)
    assert code(lambda: door.admit("reload", signed())) == ""
    for _ in range(2 * TOLERANCE // 1000):
        clock.now += 1000
        assert code(lambda: door.admit("reload", signed())) == "repeated"
    clock.now += 1
    assert code(lambda: door.admit("reload", signed())) == "stale"


def test_what_an_earlier_run_may_have_let_in_is_refused() -> None:
    clock = Clock()
    Doorkeeper("pi", SECRET, now=clock).admit("reload", signed())
    clock.now += 1
    again = Doorkeeper("pi", SECRET, now=clock)
    assert code(lambda: again.admit("reload", signed())) == "stale"


def test_without_a_secret_a_transaction_counts_once_a_minute() -> None:
    clock = Clock()
    door = Doorkeeper("pi", Secret(""), now=clock)
    plain = b'{"transaction":"a","body":{"n":1}}'
    assert door.admit("reload", plain).body == {"n": 1}
    assert code(lambda: door.admit("reload", plain)) == "repeated"
    clock.now += 2 * TOLERANCE + 1
    assert code(lambda: door.admit("reload", plain)) == ""


@pytest.mark.parametrize(("depth", "why"), [(19, ""), (400, "bad_json")])
def test_a_body_is_not_deep(depth: int, why: str) -> None:
    body = b'{"not":' * depth + b"{}" + b"}" * depth
    payload = b'{"transaction":"a","body":' + body + b"}"
    door = Doorkeeper("pi", Secret(""), now=Clock())
    assert code(lambda: door.admit("query", payload)) == why


@given(st.binary(max_size=300))
def test_nothing_but_a_signature_opens(payload: bytes) -> None:
    assert code(lambda: Doorkeeper("pi", SECRET, now=Clock()).admit("reload", payload))
