from __future__ import annotations

from towline.backends.stream import Window


def test_what_was_sent_shortly_before_a_loss_is_sent_again() -> None:
    window = Window(2, 100)
    for second in range(5):
        window.sent([b"%d" % second], second)
    window.lost(5)
    assert window.again == (b"3", b"4")


def test_it_is_kept_until_it_has_been_sent() -> None:
    window = Window(2, 100)
    window.sent([b"a"], 0)
    window.lost(1)
    window.lost(1000)
    assert list(window.again) == [b"a"]
    window.sent([b"b"], 1001)
    assert list(window.again) == []
    window.lost(1002)
    assert list(window.again) == [b"a", b"b"]


def test_an_idle_connection_that_ends_takes_nothing_with_it() -> None:
    window = Window(2, 100)
    window.sent([b"a"], 0)
    window.lost(60)
    assert window.again == ()


def test_it_holds_no_more_than_its_size() -> None:
    window = Window(1000, 100)
    for _ in range(50):
        window.sent([b"x" * 30], 0)
    window.lost(1)
    assert len(window.again) == 3


def test_what_has_surely_arrived_is_not_sent_again() -> None:
    window = Window(2, 100)
    window.sent([b"a"], 0)
    window.arrived()
    window.lost(0)
    assert window.again == ()


def test_of_one_large_batch_the_end_is_held() -> None:
    window = Window(2, 100)
    window.sent([b"%02d" % number * 20 for number in range(10)], 0)
    window.lost(0)
    assert list(window.again) == [b"08" * 20, b"09" * 20]
