"""MQTT packets of the fast lane: publishing and its acknowledgements, as pure functions on bytes.

paho-mqtt does everything else (connect, ping, subscribe, what comes in). It needs about 30 us for
a QoS 1 message and keeps messages over a reconnect; the few packets here need a few and do not.
Layouts: OASIS MQTT 3.1.1 and 5.0 sections 2 and 3.3 to 3.7.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from towline.broker.topics import LONGEST
from towline.errors import Rejected

CONNACK: Final = 0x20
PUBLISH: Final = 0x30
PUBACK: Final = 0x40
PUBREC: Final = 0x50
PUBREL: Final = 0x62
PUBCOMP: Final = 0x70
PINGREQ: Final = b"\xc0\0"
PINGRESP: Final = 0xD0

LARGEST: Final = 268_435_455 + 5
"""The largest packet that MQTT's length can say, with its head."""

HEAD_ROOM: Final = 5 + 2 + 1
"""The most that a publication adds to `topic_bytes` and payload: head, length, id, properties."""


class Malformed(Exception):
    """The broker sent what is no MQTT packet."""


@lru_cache(maxsize=8192)
def length_bytes(length: int) -> bytes:
    """The remaining length: seven bits a byte, least first, the eighth bit says more."""
    out = bytearray()
    while True:
        length, low = length >> 7, length & 0x7F
        out.append(low | 0x80 if length else low)
        if not length:
            return bytes(out)


@lru_cache(maxsize=8192)
def topic_bytes(topic: str) -> bytes:
    """A topic as it stands in a packet; `Rejected` for one no broker would take."""
    try:
        data = topic.encode()
    except UnicodeEncodeError:
        raise Rejected("the topic is not valid Unicode") from None
    if not data or len(data) > LONGEST or set(b"+#\0") & set(data):
        raise Rejected(f"not a topic to publish to: {topic[:80]!r}")
    return len(data).to_bytes(2, "big") + data


def publish_head(qos: int, retain: bool) -> bytes:
    """The first byte of a publication."""
    return bytes([PUBLISH | qos << 1 | retain])


def acknowledgement(command: int, mid: int) -> bytes:
    """A packet that consists of a message id alone (PUBREL)."""
    return bytes([command, 2, mid >> 8, mid & 0xFF])


def packet_end(data: bytes, start: int) -> int:
    """Where the packet at `start` ends, or -1 while its length is not all there.

    The end may lie beyond `data`: then the packet is not complete.
    """
    length = 0
    for position in range(start + 1, min(start + 5, len(data))):
        byte = data[position]
        length |= (byte & 0x7F) << 7 * (position - start - 1)
        if byte < 0x80:
            return position + 1 + length
    if len(data) >= start + 5:
        raise Malformed("a length of more than four bytes")
    return -1


def body_start(packet: bytes) -> int:
    """Where a packet's body begins, after its head and its length."""
    position = 1
    while packet[position] > 0x7F:
        position += 1
    return position + 1


def acknowledged(packet: bytes) -> tuple[int, int]:
    """Message id and reason code of a PUBACK, PUBREC or PUBCOMP (3.1.1 has no code: 0)."""
    start = body_start(packet)
    if len(packet) < start + 2:
        raise Malformed("an acknowledgement without a message id")
    code = packet[start + 2] if len(packet) > start + 2 else 0
    return packet[start] << 8 | packet[start + 1], code
