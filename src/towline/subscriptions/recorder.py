"""The last messages of a broker by topic: bounded, in memory, for people who look."""

from __future__ import annotations

import base64
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from towline.broker.filters import matches
from towline.broker.incoming import Incoming

PER_TOPIC: Final = 20
MOST_TOPICS: Final = 2000
MOST_BYTES: Final = 4_000_000
LARGEST: Final = 16_384
"""Bytes of a payload that are kept; of a larger one the beginning is."""

_SLACK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A message as it came; `size` is that of its whole payload, `at` milliseconds."""

    topic: str
    payload: bytes
    size: int
    qos: int
    retained: bool
    at: int

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves; what is no UTF-8 is base64."""
        cut = self.size > len(self.payload)
        text = _readable(self.payload, cut=cut)
        told = (
            {"payload": text}
            if text is not None
            else {"payload": base64.b64encode(self.payload).decode(), "encoding": "base64"}
        )
        about = {"topic": self.topic, "at": self.at, "size": self.size, "cut": cut}
        return about | told | {"qos": self.qos, "retained": self.retained}


def _readable(payload: bytes, *, cut: bool) -> str | None:
    """A payload as text; the cut may have gone through its last character."""
    for less in range(4 if cut else 1):
        try:
            return payload[: len(payload) - less].decode()
        except UnicodeDecodeError:
            continue
    return None


class Recorder:
    """Takes messages; the oldest of the topic that was silent longest go first.

    Counted: messages `seen`, and those `forgotten` for want of room.
    """

    def __init__(self, *, clock: Callable[[], int] = time.time_ns) -> None:
        self.counters: Counter[str] = Counter()
        self._clock = clock
        self._topics: OrderedDict[str, deque[Kept]] = OrderedDict()
        self._size = 0

    def take(self, message: Incoming) -> None:
        """Keep a message."""
        self.counters["seen"] += 1
        kept = Kept(
            topic=message.topic,
            payload=bytes(message.payload[:LARGEST]),
            size=len(message.payload),
            qos=message.qos,
            retained=message.retained,
            at=self._clock() // 1_000_000,
        )
        held = self._topics.setdefault(kept.topic, deque())
        self._topics.move_to_end(kept.topic)
        held.append(kept)
        self._size += _weight(kept)
        if len(held) > PER_TOPIC:
            self._forget(held)
        while self._size > MOST_BYTES or len(self._topics) > MOST_TOPICS:
            topic, oldest = next(iter(self._topics.items()))
            self._forget(oldest)
            if not oldest:
                del self._topics[topic]

    def _forget(self, held: deque[Kept]) -> None:
        self._size -= _weight(held.popleft())
        self.counters["forgotten"] += 1

    def find(self, topic_filter: str = "#", text: str = "") -> list[Kept]:
        """Messages of topics that a filter takes, with a text in topic or payload; oldest first."""
        wanted, octets = text.lower(), text.lower().encode()
        found = [
            kept
            for topic, held in self._topics.items()
            if topic_filter == "#" or matches(topic_filter, topic)
            for kept in held
            if wanted in topic.lower() or octets in kept.payload.lower()
        ]
        return sorted(found, key=lambda kept: kept.at)

    def topics(self, topic_filter: str = "#") -> list[dict[str, Any]]:
        """Each topic with how many of its messages are kept and when the last one came."""
        return [
            {"topic": topic, "count": len(held), "last": held[-1].at}
            for topic, held in sorted(self._topics.items())
            if topic_filter == "#" or matches(topic_filter, topic)
        ]


def _weight(kept: Kept) -> int:
    return len(kept.payload) + len(kept.topic) + _SLACK
