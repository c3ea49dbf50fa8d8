from __future__ import annotations

from collections import Counter

from towline.broker.filters import identifier
from towline.broker.incoming import Inbox, Incoming
from towline.broker.kept import Kept
from towline.broker.subscriptions import Subscription, Subscriptions


class Line:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int, bool]] = []
        self.taken_back: list[str] = []

    def subscribe(self, topic_filter: str, qos: int, number: int, *, retained: bool) -> int:
        self.asked.append((topic_filter, qos, retained))
        return len(self.asked)

    def unsubscribe(self, topic_filter: str) -> int:
        self.taken_back.append(topic_filter)
        return 0


def listener(topic_filter: str, inbox: Inbox, qos: int = 1, **how: bool) -> Subscription:
    return Subscription(topic_filter, inbox, qos, **({"retained": True} | how))


async def test_a_filter_is_asked_for_once_with_the_most_that_anybody_wants() -> None:
    table, line = Subscriptions(Counter()), Line()
    table.add(listener("a", Inbox(), 0, retained=False))
    table.add(listener("a", Inbox(), 2))
    table.begin(line)
    assert line.asked == [("a", 2, True)]
    table.end()


async def test_a_refusal_is_told_to_every_listener_of_the_filter() -> None:
    table, line = Subscriptions(Counter()), Line()
    one, other = listener("a", Inbox()), listener("a", Inbox())
    table.add(one)
    table.add(other)
    table.begin(line)
    assert table.answered(1, 0x87) == "a: not authorised"
    assert one.refused == other.refused == "not authorised"
    assert table.answered(9, 0x87) == ""
    table.end()


async def test_a_copy_for_one_of_two_filters_goes_to_that_one() -> None:
    every, some = Inbox(), Inbox()
    table = Subscriptions(Counter())
    table.add(listener("#", every))
    table.add(listener("a", some))
    table.take(Incoming("a", b"1", identifiers=(identifier("a"),)))
    assert (len(every), len(some)) == (0, 1)
    table.take(Incoming("a", b"2"))
    assert (len(every), len(some)) == (1, 2)


async def test_a_message_is_acknowledged_when_each_who_wants_to_has_done_so() -> None:
    done: list[str] = []
    one, other = Inbox(), Inbox()
    table = Subscriptions(Counter())
    table.add(listener("a", one, acknowledges=True))
    table.add(listener("#", other, acknowledges=True))
    table.add(listener("+", Inbox()))
    table.take(Incoming("a", b"", qos=1, acknowledge=lambda: done.append("done")))
    (await anext(one)).acknowledge()
    assert done == []
    (await anext(other)).acknowledge()
    assert done == ["done"]


async def test_what_comes_before_its_listener_waits_for_it() -> None:
    done: list[str] = []
    counters: Counter[str] = Counter()
    table, inbox = Subscriptions(counters), Inbox()
    table.take(Incoming("a", b"1", qos=1, acknowledge=lambda: done.append("1")))
    table.take(Incoming("b", b"2", qos=1, acknowledge=lambda: done.append("2")))
    table.add(listener("a", inbox))
    assert [message.payload for message in [await anext(inbox)]] == [b"1"]
    assert done == ["1"]
    assert counters["unwanted"] == 0


async def test_a_full_inbox_lets_the_oldest_go_or_takes_no_more() -> None:
    for over, expected in (("oldest", [b"1", b"2"]), ("newest", [b"0", b"1"])):
        inbox = Inbox(2, over=over)  # type: ignore[arg-type]
        for number in range(3):
            inbox(Incoming("a", b"%d" % number))
        assert [(await anext(inbox)).payload for _ in range(2)] == expected
        assert inbox.counters == {"received": 3, "dropped": 1}


async def test_of_a_kept_topic_only_the_newest_is_due_and_with_a_new_session_all_of_it() -> None:
    kept = Kept()
    kept.set("a", b"1")
    kept.set("a", b"2")
    kept.set("b", b"3")
    due = await kept.due()
    assert due == [("a", b"2"), ("b", b"3")]
    kept.set("a", b"4")  # meanwhile
    kept.arrived(due)
    assert kept.open == [("a", b"4")]
    kept.arrived([("a", b"4")])
    kept.set("b", b"")
    kept.arrived([("b", b"")])
    kept.begin()
    assert kept.open == [("a", b"4")]
