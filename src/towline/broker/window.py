"""What was offered to a broker and is not yet acknowledged: a bounded window, as a state machine.

It knows bytes and futures, no sockets: `packets` gives what may be written now, `acknowledge`
takes what came back. Nothing survives its connection: delivery sends again what was lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from towline.broker.packets import (
    HEAD_ROOM,
    LARGEST,
    PUBCOMP,
    PUBREC,
    PUBREL,
    acknowledgement,
    length_bytes,
    publish_head,
    topic_bytes,
)
from towline.broker.reasons import publish_reason, worth_retrying
from towline.errors import DeliveryError, Rejected, Retryable

Message = tuple[str, bytes]
"""A topic and a payload."""

MOST: Final = 1000
"""Messages in flight at most; a broker's Receive Maximum may make it less."""

MOST_QOS_2: Final = 10
"""The same for QoS 2 where the broker does not say: mosquitto 2.0.11 silently drops MQTT 3.1.1
messages of QoS 2 past its own `max_inflight_messages` (20)."""

CHUNK: Final = 256 * 1024
"""Bytes handed to the socket at once."""

FIRST_MID: Final = 4096
"""Ids below are left to paho, for subscriptions."""

TOO_LARGE: Final = 0x95


class Flight:
    """Messages offered together; `done` resolves when each was acknowledged or refused."""

    __slots__ = ("done", "head", "largest", "left", "next", "qos", "refused", "sending")

    def __init__(
        self,
        sending: list[tuple[int, bytes, bytes]],
        refused: dict[int, int],
        qos: int,
        head: bytes,
    ) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sending = sending
        self.refused = refused
        self.qos = qos
        self.head = head
        self.next = 0
        self.left = len(sending)
        self.largest = max((len(topic) + len(payload) for _, topic, payload in sending), default=0)

    def landed(self) -> None:
        """One more was answered."""
        self.left -= 1
        if self.left <= 0 and not self.done.done():
            self._finish()

    def _finish(self) -> None:
        if not self.refused:
            self.done.set_result(None)
        else:
            self.done.set_exception(_refusal(self.refused))


def _refusal(refused: dict[int, int]) -> DeliveryError:
    passing = [code for code in refused.values() if worth_retrying(code)]
    code = passing[0] if passing else next(iter(refused.values()))
    if passing:
        return Retryable(publish_reason(code))
    return Rejected(publish_reason(code), positions=sorted(refused))


class Mids:
    """Message ids in a circle, kept over connections so that an old one is not soon used again."""

    def __init__(self) -> None:
        self._last = FIRST_MID - 1
        self.half_done: set[int] = set()

    def next(self, taken: dict[int, tuple[Flight, int]]) -> int:
        """A free id."""
        mid = self._last
        while True:
            mid = mid + 1 if mid < 0xFFFF else FIRST_MID
            if mid not in taken and mid not in self.half_done:
                self._last = mid
                return mid


class Window:
    """The publications of one connection.

    `most` is how many may be unanswered, `largest` the largest packet the broker takes.
    """

    def __init__(self, mids: Mids, *, version_5: bool) -> None:
        self._mids = mids
        self._properties = b"\0" if version_5 else b""
        self._waiting: deque[Flight] = deque()
        self._flying: dict[int, tuple[Flight, int]] = {}
        self.most = MOST
        self.most_qos_2 = MOST if version_5 else MOST_QOS_2
        self.largest = LARGEST

    @property
    def unanswered(self) -> int:
        """Messages written and not yet acknowledged."""
        return len(self._flying)

    async def empty(self) -> None:
        """Wait until nothing that was offered is open."""
        while flights := {flight for flight, _ in self._flying.values()} | {*self._waiting}:
            await asyncio.wait({flight.done for flight in flights})

    def offer(self, messages: Sequence[Message], qos: int, retain: bool) -> Flight:
        """Line messages up for `packets`; what is too large for the broker is refused unsent."""
        sending = []
        refused = {}
        room = self.largest - HEAD_ROOM
        for position, (topic, payload) in enumerate(messages):
            head = topic_bytes(topic)
            if len(head) + len(payload) > room:
                refused[position] = TOO_LARGE
            else:
                sending.append((position, head, payload))
        flight = Flight(sending, refused, qos, publish_head(qos, retain))
        if sending:
            self._waiting.append(flight)
        else:
            flight.landed()
        return flight

    def packets(self) -> bytes:
        """What may be written now, whole packets; empty when nothing may."""
        parts: list[bytes] = []
        size = 0
        while self._waiting and size < CHUNK:
            flight = self._waiting[0]
            if flight.done.done():  # whoever offered it was cancelled
                self._waiting.popleft()
                continue
            before = flight.next
            size += self._encode(flight, parts, CHUNK - size)
            if flight.next >= len(flight.sending):
                self._waiting.popleft()
            elif flight.next == before:
                break
        return b"".join(parts)

    def _encode(self, flight: Flight, parts: list[bytes], room: int) -> int:
        size, properties, flying, head = 0, self._properties, self._flying, flight.head
        fixed = len(properties) + (2 if flight.qos else 0)
        most = min(self.most, self.most_qos_2) if flight.qos > 1 else self.most
        count = most - len(flying) if flight.qos else len(flight.sending)
        start = flight.next
        for position, topic, payload in flight.sending[start : start + max(count, 0)]:
            length = len(topic) + fixed + len(payload)
            if flight.qos:
                mid = self._mids.next(flying)
                flying[mid] = (flight, position)
                parts += (head, length_bytes(length), topic, mid.to_bytes(2, "big"), properties)
            else:
                parts += (head, length_bytes(length), topic, properties)
            parts.append(payload)
            flight.next += 1
            size += length
            if size >= room:
                break
        if not flight.qos:
            flight.left -= flight.next - start - 1
            flight.landed()
        return size

    def acknowledge(self, command: int, mid: int, code: int = 0) -> bytes:
        """A PUBACK, PUBREC or PUBCOMP came; what to answer, if anything."""
        if command == PUBREC and code < 0x80:
            return acknowledgement(PUBREL, mid)
        if command == PUBCOMP:
            code = 0  # 0x92, "not found", ends the exchange as well
            self._mids.half_done.discard(mid)
        found = self._flying.pop(mid, None)
        if found is not None:
            flight, position = found
            if code >= 0x80:
                flight.refused[position] = code
            flight.landed()
        return b""

    def resume(self) -> bytes:
        """Finish the QoS 2 exchanges that the last connection left with the broker's session."""
        return b"".join(acknowledgement(PUBREL, mid) for mid in sorted(self._mids.half_done))

    def forget(self) -> None:
        """The broker has no session: no exchange is half done."""
        self._mids.half_done.clear()

    def largest_unanswered(self) -> int:
        """The size of the largest payload that is waiting for an answer."""
        return max((self._size(*entry) for entry in self._flying.values()), default=0)

    def lose(self, reason: str) -> None:
        """The connection is gone: everything open fails and may be tried again."""
        flights: Iterable[Flight] = [*(flight for flight, _ in self._flying.values())]
        self._mids.half_done |= {mid for mid, (flight, _) in self._flying.items() if flight.qos > 1}
        for flight in {*flights, *self._waiting}:
            if not flight.done.done():
                flight.done.set_exception(Retryable(reason))
        self._flying.clear()
        self._waiting.clear()

    @staticmethod
    def _size(flight: Flight, position: int) -> int:
        return next((len(h) + len(p) for at, h, p in flight.sending if at == position), 0)
