"""What a broker sends us, and a bounded place where it waits for its reader."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, Literal, Self

Over = Literal["oldest", "newest"]
MOST_WAITING: Final = 1000


class Incoming:
    """A message from a broker.

    `retained`: the broker had kept it, it is not news. `identifiers` are the numbers of the filters
    that took it, where the broker tells. `acknowledge` is for those who subscribed with
    `acknowledges=True`: QoS 1 and 2 count as delivered once each of them has called it.
    """

    __slots__ = ("_acknowledge", "_open", "identifiers", "payload", "qos", "retained", "topic")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retained: bool = False,
        identifiers: tuple[int, ...] = (),
        acknowledge: Callable[[], None] = lambda: None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retained = retained
        self.identifiers = identifiers
        self._acknowledge = acknowledge
        self._open = 1

    def hold(self, holders: int) -> None:
        """So many will acknowledge it, each once."""
        self._open = holders

    def acknowledge(self) -> None:
        """It is safe with us: the broker need not send it again. Harmless on a lost connection."""
        self._open -= 1
        if self._open == 0:
            self._acknowledge()


class Inbox:
    """A handler that keeps messages for one reader: `async for message in inbox`.

    At most `most` wait; beyond that the `oldest` or the `newest` goes, counted in `dropped`.
    """

    def __init__(self, most: int = MOST_WAITING, *, over: Over = "oldest") -> None:
        self.counters: Counter[str] = Counter()
        self._waiting: deque[Incoming] = deque()
        self._most = most
        self._over = over
        self._bell = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def __call__(self, message: Incoming) -> None:
        """Take a message; never waits."""
        self.counters["received"] += 1
        if len(self._waiting) >= self._most:
            self.counters["dropped"] += 1
            if self._over == "newest":
                return
            self._waiting.popleft()
        self._waiting.append(message)
        self._bell.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Incoming:
        while not self._waiting:
            self._bell.clear()
            await self._bell.wait()
        return self._waiting.popleft()
