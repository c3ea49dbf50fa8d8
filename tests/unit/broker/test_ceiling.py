from __future__ import annotations

from towline.broker.ceiling import Ceiling
from towline.broker.packets import LARGEST


def test_two_hang_ups_on_the_same_largest_message_are_a_limit() -> None:
    it = Ceiling()
    it.hung_up(5000, 0)
    assert it.limit == LARGEST
    it.hung_up(5000, 0)
    assert it.limit < 5010


def test_a_server_that_names_the_size_is_believed_at_once() -> None:
    it = Ceiling()
    it.hung_up(5000, 0x95)
    assert it.limit < 5010


def test_a_server_that_went_away_in_between_did_not_hang_up_on_the_message() -> None:
    it = Ceiling()
    it.hung_up(5000, 0)
    it.away()
    it.hung_up(5000, 0)
    assert it.limit == LARGEST


def test_a_size_that_has_passed_before_is_never_the_reason() -> None:
    it = Ceiling()
    it.passed(6000)
    it.hung_up(5000, 0)
    it.hung_up(5000, 0)
    assert it.limit == LARGEST


def test_other_reasons_and_other_messages_do_not_count() -> None:
    it = Ceiling()
    it.hung_up(5000, 0x8E)
    it.hung_up(5000, 0x8B)
    it.hung_up(5000, 0)
    it.hung_up(4000, 0)
    assert it.limit == LARGEST
