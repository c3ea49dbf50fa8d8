from __future__ import annotations

import pytest

from towline.broker.packets import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    acknowledgement,
    body_start,
    packet_end,
)
from towline.broker.window import FIRST_MID, Flight, Message, Mids, Window
from towline.errors import Rejected, Retryable


def messages(count: int, size: int = 10) -> list[Message]:
    return [("a/b", b"%0*d" % (size, number)) for number in range(count)]


def window(*, version_5: bool = False, mids: Mids | None = None) -> Window:
    return Window(mids or Mids(), version_5=version_5)


def split(data: bytes) -> list[bytes]:
    packets = []
    while data:
        end = packet_end(data, 0)
        packets.append(data[:end])
        data = data[end:]
    return packets


def mids_of(data: bytes) -> list[int]:
    # 3.1.1, topic a/b: head, length, two bytes and three of topic, the id
    return [int.from_bytes(packet[body_start(packet) + 5 :][:2], "big") for packet in split(data)]


def payload(packet: bytes) -> bytes:
    return packet[body_start(packet) + 7 :]


async def test_messages_go_out_in_order_as_mqtt_packets() -> None:
    it = window()
    it.offer([("a/b", b"hello")], 1, retain=True)
    mid = FIRST_MID.to_bytes(2, "big")
    assert it.packets() == b"\x33\x0c\x00\x03a/b" + mid + b"hello"
    it.offer(messages(3), 1, retain=False)
    assert [payload(packet) for packet in split(it.packets())] == [m[1] for m in messages(3)]


async def test_version_5_adds_an_empty_set_of_properties() -> None:
    it = window(version_5=True)
    it.offer([("a/b", b"hello")], 0, retain=False)
    assert it.packets() == b"\x30\x0b\x00\x03a/b\x00hello"


async def test_qos_0_is_done_when_it_is_handed_over() -> None:
    it = window()
    flight = it.offer(messages(3), 0, retain=False)
    assert not flight.done.done()
    it.packets()
    assert flight.done.done()


async def test_an_offer_is_done_when_all_its_messages_are_acknowledged() -> None:
    it = window()
    flight = it.offer(messages(3), 1, retain=False)
    mids = mids_of(it.packets())
    for mid in mids[::-1]:
        assert not flight.done.done()
        it.acknowledge(PUBACK, mid)
    assert flight.done.result() is None
    assert it.unanswered == 0


async def test_no_more_than_the_broker_allows_are_ever_unanswered() -> None:
    it = window()
    it.most = 2
    flight = it.offer(messages(5), 1, retain=False)
    seen: list[int] = []
    while not flight.done.done():
        mids = mids_of(it.packets())
        assert len(mids) + it.unanswered - len(mids) <= 2
        assert mids, "the window is stuck"
        seen += mids
        it.acknowledge(PUBACK, mids[0])
        for mid in mids[1:]:
            it.acknowledge(PUBACK, mid)
    assert len(seen) == len(set(seen)) == 5


async def test_qos_2_takes_both_halves() -> None:
    it = window()
    flight = it.offer(messages(1), 2, retain=False)
    (mid,) = mids_of(it.packets())
    assert it.acknowledge(PUBREC, mid) == acknowledgement(PUBREL, mid)
    assert not flight.done.done()
    it.acknowledge(PUBCOMP, mid)
    assert flight.done.done()


async def test_a_lost_connection_fails_what_is_open_and_nothing_of_it_is_sent_again() -> None:
    it = window()
    it.most = 2
    flying, waiting = (it.offer(messages(2), 1, retain=False) for _ in range(2))
    it.packets()
    it.lose("connection lost")
    for flight in (flying, waiting):
        assert isinstance(flight.done.exception(), Retryable)
    assert it.packets() == b""


async def test_a_half_done_exchange_is_finished_over_the_next_connection() -> None:
    mids = Mids()
    first = window(mids=mids)
    flight = first.offer(messages(1), 2, retain=False)
    (mid,) = mids_of(first.packets())
    first.acknowledge(PUBREC, mid)
    first.lose("connection lost")
    assert flight.done.exception()
    second = window(mids=mids)
    assert second.resume() == acknowledgement(PUBREL, mid)
    second.acknowledge(PUBCOMP, mid)
    assert second.resume() == b""


async def test_an_id_is_not_used_while_another_message_holds_it() -> None:
    mids = Mids()
    it = window(mids=mids)
    it.most = 70_000
    it.offer(messages(1), 2, retain=False)
    (held,) = mids_of(it.packets())
    it.lose("connection lost")
    mids._last = held - 1
    it.offer(messages(1), 1, retain=False)
    assert mids_of(it.packets()) != [held]


async def test_ids_begin_again_after_the_last_one() -> None:
    mids = Mids()
    mids._last = 0xFFFF
    it = window(mids=mids)
    it.offer(messages(1), 1, retain=False)
    assert mids_of(it.packets()) == [FIRST_MID]


async def test_what_is_too_large_is_refused_unsent_and_the_others_go() -> None:
    it = window()
    it.largest = 100
    flight = it.offer([("a/b", b"x" * 20), ("a/b", b"x" * 101), ("a/b", b"x")], 1, retain=False)
    sent = mids_of(it.packets())
    assert len(sent) == 2
    for mid in sent:
        it.acknowledge(PUBACK, mid)
    error = flight.done.exception()
    assert isinstance(error, Rejected)
    assert error.positions == (1,)
    assert "larger" in str(error)


async def test_nothing_but_too_large_messages_is_refused_at_once() -> None:
    it = window()
    it.largest = 10
    assert isinstance(it.offer(messages(1, 50), 1, retain=False).done.exception(), Rejected)


async def test_a_reason_code_rejects_just_its_message() -> None:
    flight = refused_with(0x87)
    error = (await flight).done.exception()
    assert isinstance(error, Rejected)
    assert error.positions == (1,)
    assert "not authorised" in str(error)


async def test_a_lack_of_quota_may_pass() -> None:
    assert isinstance((await refused_with(0x97)).done.exception(), Retryable)


async def refused_with(code: int) -> Flight:
    it = window()
    flight = it.offer(messages(3), 1, retain=False)
    for number, mid in enumerate(mids_of(it.packets())):
        it.acknowledge(PUBACK, mid, code if number == 1 else 0)
    return flight


async def test_a_cancelled_offer_makes_room_for_the_next() -> None:
    it = window()
    it.most = 1
    first = it.offer(messages(3), 1, retain=False)
    (mid,) = mids_of(it.packets())
    first.done.cancel()
    second = it.offer(messages(1), 1, retain=False)
    assert it.packets() == b""
    it.acknowledge(PUBACK, mid)
    (mid,) = mids_of(it.packets())
    it.acknowledge(PUBACK, mid)
    assert second.done.done()


async def test_an_acknowledgement_of_nobody_is_passed_by() -> None:
    it = window()
    assert it.acknowledge(PUBACK, 77) == b""


async def test_a_bad_topic_is_rejected_before_anything_is_sent() -> None:
    it = window()
    with pytest.raises(Rejected):
        it.offer([("a", b""), ("a/+", b"")], 1, retain=False)
    assert it.packets() == b""


async def test_an_offer_of_nothing_is_done() -> None:
    assert window().offer([], 1, retain=False).done.done()
