from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.broker.packets import (
    PUBACK,
    Malformed,
    acknowledged,
    body_start,
    length_bytes,
    packet_end,
    topic_bytes,
)
from towline.errors import Rejected


@given(st.integers(0, 268_435_455))
def test_a_length_reads_as_it_was_written(length: int) -> None:
    head = b"\x30" + length_bytes(length)
    assert packet_end(head, 0) == len(head) + length
    assert body_start(head) == len(head)


@given(st.lists(st.binary(max_size=300), min_size=1), st.integers(0, 400))
def test_packets_are_found_wherever_the_stream_is_cut(bodies: list[bytes], cut: int) -> None:
    packets = [b"\x30" + length_bytes(len(body)) + body for body in bodies]
    stream = b"".join(packets)[: max(cut, 1)]
    position, found = 0, []
    while position < len(stream):
        end = packet_end(stream, position)
        if not 0 <= end <= len(stream):
            break
        found.append(stream[position:end])
        position = end
    assert found == packets[: len(found)]
    assert len(packets) == len(found) or len(stream) - position < len(packets[len(found)])


def test_a_length_of_five_bytes_is_malformed() -> None:
    with pytest.raises(Malformed):
        packet_end(b"\x30\xff\xff\xff\xff\x01", 0)


@pytest.mark.parametrize(
    ("packet", "mid", "code"),
    [
        (bytes([PUBACK, 2, 0x12, 0x34]), 0x1234, 0),
        (bytes([PUBACK, 3, 0x12, 0x34, 0x87]), 0x1234, 0x87),
        (bytes([PUBACK, 0x83, 0x01, 0x12, 0x34, 0x97]) + bytes(128), 0x1234, 0x97),
    ],
)
def test_an_acknowledgement_tells_its_message_and_its_reason(
    packet: bytes, mid: int, code: int
) -> None:
    assert acknowledged(packet) == (mid, code)


def test_an_acknowledgement_of_nothing_is_malformed() -> None:
    with pytest.raises(Malformed):
        acknowledged(bytes([PUBACK, 1, 0]))


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0b", "x" * 65_536, "\udcff"])
def test_a_topic_that_no_broker_would_take_is_rejected(topic: str) -> None:
    with pytest.raises(Rejected):
        topic_bytes(topic)
