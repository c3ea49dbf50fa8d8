"""The largest message a server takes, learnt where it does not say.

A server of MQTT 3.1.1 closes the connection on a message over its limit and gives no reason
(mosquitto max_packet_size; FAULTS S4). Sent again on each reconnect it would stall all others.
"""

from __future__ import annotations

from typing import Final

from towline.broker.packets import HEAD_ROOM, LARGEST

STRIKES: Final = 2
_SAYS_SIZE: Final = 0x95
_SAYS_NOTHING: Final = frozenset({0, 0x80, 0x81, 0x82})


class Ceiling:
    """Watches which messages pass and which one the server hung up on.

    A server that merely went away is told from one that hung up: it refuses the next connect,
    and messages as large as the suspect have passed before.
    """

    def __init__(self) -> None:
        self.limit = LARGEST
        self._passed = 0
        self._suspect = 0
        self._strikes = 0

    def passed(self, size: int) -> None:
        """A message of this size was acknowledged."""
        self._passed = max(self._passed, size)

    def away(self) -> None:
        """A connect failed: the server was gone, so it did not hang up on a message."""
        self._strikes = 0

    def hung_up(self, size: int, code: int) -> None:
        """The server closed the connection while `size` was the largest message in flight."""
        if size <= self._passed or not (code == _SAYS_SIZE or code in _SAYS_NOTHING):
            return
        self._strikes = self._strikes + 1 if size == self._suspect else 1
        self._suspect = size
        if code == _SAYS_SIZE or self._strikes >= STRIKES:
            self.limit = size + HEAD_ROOM - 1
            self._strikes = 0
