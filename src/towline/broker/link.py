"""One connection to one server: asyncio carries the bytes, the window publishes, paho does more.

Acknowledgements are read here, in one go however many came, and everything that may be written is
written in one piece: that is what makes single messages several times as fast as paho alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from towline.broker.incoming import Incoming
from towline.broker.login import Login
from towline.broker.packets import (
    CONNACK,
    LARGEST,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREC,
    Malformed,
    acknowledged,
    body_start,
    packet_end,
)
from towline.broker.reasons import reason
from towline.broker.session import LARGEST_IN, Session
from towline.broker.window import MOST, Flight, Message, Mids, Window

TICK: Final = 1.0
CONNECTION_LOST: Final = "connection lost"
NO_ANSWER: Final = "no answer from the broker"
PING_EVERY: Final = 15.0
PING_PATIENCE: Final = 15.0
"""Together with `PING_EVERY` the longest that a half-open link goes unnoticed, in seconds."""

USER_TIMEOUT_MS: Final = 20_000


class Refused(Exception):
    """The server answered our CONNECT with no."""

    def __init__(self, code: int) -> None:
        super().__init__(reason(code))
        self.code = code


class Link(asyncio.Protocol):
    """A connection from its CONNECT on; made anew for every attempt, so nothing is left over.

    `accepted` resolves when the server has taken us, or fails with `Refused` or
    `ConnectionAbortedError`; `closed` resolves with the reason in words. `largest_cut_off` is
    the size of the largest unanswered message when the server closed it, `said_code` why if it
    said so. `on_lost` is told the reason at once, before anyone whose messages are lost can wake;
    `on_message` and `on_answer` get what comes for subscribers. `told` is what the CONNACK says,
    `session_kept`: the server had a session of ours. `latency` is a ping's way and back in seconds.
    """

    def __init__(self, login: Login, mids: Mids, *, version_5: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self.accepted: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self.window = Window(mids, version_5=version_5)
        self.on_lost: Callable[[str], None] = lambda _: None
        self.on_message: Callable[[Incoming], None] = Incoming.acknowledge
        self.on_answer: Callable[[int, int], None] = lambda number, code: None
        self.largest_cut_off = 0
        self.said_code = 0
        self.session_kept = False
        self.told: Mapping[str, Any] = {}
        self._max_qos = 2
        self._can_retain = True
        self.login = login
        self._session = Session(login, self, version_5=version_5)
        self._transport: asyncio.Transport | None = None
        self._sock: Any = None
        self._paused = False
        self._why = ""
        self._rest = b""
        self._heard = time.monotonic()
        self._tick: asyncio.TimerHandle | None = None
        self._next_ping = self._heard
        self._pinged = 0.0
        self.latency: float | None = None
        self.version_5 = version_5

    def publish(self, messages: Sequence[Message], qos: int, *, retain: bool) -> Flight:
        """Offer messages and write what the window allows."""
        if not self.window.unanswered:
            self._heard = time.monotonic()
        retain = retain and self._can_retain
        flight = self.window.offer(messages, min(qos, self._max_qos), retain=retain)
        self._pump()
        return flight

    def close(self, why: str) -> None:
        """Drop the connection at once; the server will publish our last will."""
        self._why = self._why or why
        if self._transport is not None:
            self._transport.abort()

    async def leave(self, last: Sequence[Message], grace: float) -> None:
        """Publish a last word, retained, and disconnect; the server closes when it has read it."""
        try:
            if self.accepted.done() and not self.closed.done():
                self.publish(last, 1, retain=True).done.add_done_callback(_look_at)
                self._session.disconnect()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace):
                        await asyncio.shield(self.closed)
        finally:
            self.close("stopped")

    def subscribe(self, topic_filter: str, qos: int, number: int, *, retained: bool) -> int:
        """Ask for a filter's messages; the number that its answer will bear."""
        return self._session.subscribe(topic_filter, qos, number, retained=retained)

    def unsubscribe(self, topic_filter: str) -> int:
        """Ask for them no longer."""
        return self._session.unsubscribe(topic_filter)

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the CONNECT."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream is needed")
        self._transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            self._sock = sock  # asyncio has set TCP_NODELAY
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        self._session.connect()
        self._tick = self._loop.call_later(TICK, self._every_tick)

    def data_received(self, data: bytes) -> None:
        """Sort what came: acknowledgements to the window, the rest to paho."""
        self._heard = time.monotonic()
        buffer = self._rest + data if self._rest else data
        try:
            self._rest = buffer[self._sort(buffer) :]
        except (Malformed, ValueError, LookupError, struct.error, TypeError) as exc:
            self.close(f"the broker does not speak MQTT: {exc}")
            return
        self._pump()
        self._confirm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is open."""
        if self._tick is not None:
            self._tick.cancel()
        if not self._why:
            self.largest_cut_off = self.window.largest_unanswered()
        why = self._why or ("TLS failed" if isinstance(exc, ssl.SSLError) else CONNECTION_LOST)
        if self.said_code:
            why = f"closed by the broker: {reason(self.said_code)}"
        self.on_lost(why)
        self.window.lose(f"broker {self.login.broker}: {why}")
        self._decline(ConnectionAbortedError(why))
        if not self.closed.done():
            self.closed.set_result(why)

    def pause_writing(self) -> None:
        """The socket is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """The socket has room again."""
        self._paused = False
        self._pump()

    # Called by the session.

    def write(self, data: bytes) -> None:
        """Put bytes on the wire."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def welcomed(self, told: Mapping[str, Any], *, session_kept: bool) -> None:
        """The server took us: keep to its limits, and finish what its session holds of ours."""
        self.window.most = min(MOST, told.get("ReceiveMaximum", MOST))
        self.window.largest = min(LARGEST, told.get("MaximumPacketSize", LARGEST))
        self._max_qos = told.get("MaximumQoS", 2)
        self._can_retain = bool(told.get("RetainAvailable", 1))
        self.told = told
        self.session_kept = session_kept
        if session_kept:
            self.write(self.window.resume())
        else:
            self.window.forget()
        if not self.accepted.done():
            self.accepted.set_result(None)

    def dismissed(self, code: int) -> None:
        """The server said why it closes."""
        self.said_code = code
        if self._transport is not None:
            self._transport.abort()

    def ended(self, why: str) -> None:
        """paho lost patience."""
        self.close(why)

    def arrived(self, message: Incoming) -> None:
        """A message: its listeners run in turns of their own, so that one at fault harms nobody."""
        self._loop.call_soon(self.on_message, message)

    def answered(self, number: int, code: int) -> None:
        """The server's answer to a `subscribe`."""
        self._loop.call_soon(self.on_answer, number, code)

    # Incoming packets.

    def _sort(self, buffer: bytes) -> int:
        position, end = 0, len(buffer)
        acknowledge = self.window.acknowledge
        while position < end:
            if end - position >= 4 and buffer[position] == PUBACK and buffer[position + 1] == 2:
                acknowledge(PUBACK, buffer[position + 2] << 8 | buffer[position + 3])
                position += 4
                continue
            stop = packet_end(buffer, position)
            if stop - position > LARGEST_IN:
                raise Malformed("a packet of more than 16 MiB")
            if stop < 0 or stop > end:
                break
            self._take(buffer[position:stop])
            position = stop
        return position

    def _take(self, packet: bytes) -> None:
        command = packet[0] & 0xF0
        if command in (PUBACK, PUBREC, PUBCOMP):
            answer = self.window.acknowledge(command, *acknowledged(packet))
            if answer:
                self.write(answer)
        elif command == PINGRESP:
            self.latency, self._pinged = time.monotonic() - self._pinged, 0.0
        elif command != CONNACK or self._welcome(packet):
            self._session.take(packet)

    def _welcome(self, packet: bytes) -> bool:
        # Read here, not by paho: a broker of 3.1.1 answers a version 5 CONNECT in its own form.
        code = packet[body_start(packet) + 1]
        if code:
            self._decline(Refused(code))
            self.close(reason(code))
        return not code

    def _decline(self, exc: Exception) -> None:
        if not self.accepted.done():
            self.accepted.set_exception(exc)
            self.accepted.exception()  # looked at: whoever waited may be gone

    def _confirm(self) -> None:
        # mosquitto leaves Nagle's algorithm on: its second acknowledgement waits until our kernel
        # has confirmed the first, and that delays itself by 40 ms. The option wears off.
        if self._sock is not None and self.window.unanswered:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    # Outgoing.

    def _pump(self) -> None:
        while not self._paused and self._transport is not None:
            data = self.window.packets()
            if not data:
                return
            self.write(data)

    def _every_tick(self) -> None:
        self._tick = self._loop.call_later(TICK, self._every_tick)
        if self.window.unanswered and time.monotonic() - self._heard > self.login.patience:
            self.close(NO_ANSWER)
        else:
            self._ping()

    def _ping(self) -> None:
        """Ask for a sign of life, and give up who owes one: half-open links tell nothing."""
        now = time.monotonic()
        if self._pinged and now - self._pinged > PING_PATIENCE:
            self.close(NO_ANSWER)
        elif not self._pinged and now - self._next_ping >= 0 and self.accepted.done():
            self._pinged, self._next_ping = now, now + min(PING_EVERY, self.login.keep_alive / 2)
            self.write(PINGREQ)


def _look_at(done: asyncio.Future[None]) -> None:
    # Nobody waits for it; an exception that is not looked at would be reported as forgotten.
    if not done.cancelled():
        done.exception()
