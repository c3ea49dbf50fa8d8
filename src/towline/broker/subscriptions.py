"""Who listens to which topics, over every connection there will be."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from towline.broker.filters import fault, identifier, matches
from towline.broker.incoming import Incoming
from towline.broker.reasons import reason

Handler = Callable[[Incoming], None]
_ROUTES: Final = 4096
EARLY: Final = 10.0
"""Seconds that messages of a lasting session wait for whoever subscribed to them last time."""

MOST_EARLY: Final = 1000


class Line(Protocol):
    """A connection as far as subscribing goes; each returns the number its answer will bear."""

    def subscribe(self, topic_filter: str, qos: int, number: int, *, retained: bool) -> int:
        """Ask for a filter's messages."""

    def unsubscribe(self, topic_filter: str) -> int:
        """Ask for them no longer."""


class Subscription:
    """One listener. `granted` is the QoS that the broker gave, None while it has not answered;
    `refused` says why it did not. `counters`: `received`, and `retained` ones passed over.
    """

    def __init__(
        self,
        topic_filter: str,
        handler: Handler,
        qos: int,
        *,
        retained: bool,
        acknowledges: bool = False,
    ) -> None:
        self.filter = topic_filter
        self.handler = handler
        self.qos = qos
        self.retained = retained
        self.acknowledges = acknowledges
        self.granted: int | None = None
        self.refused = ""
        self.counters: Counter[str] = Counter()

    def as_json(self) -> dict[str, Any]:
        """For the status."""
        return {
            "topic": self.filter,
            "granted": self.granted,
            "refused": self.refused or None,
            "received": self.counters["received"],
        }


class Subscriptions:
    """The table of listeners. A filter is asked for once, however many listen to it.

    Counted are messages `received` and those that nobody wanted any more, `unwanted`.
    """

    def __init__(self, counters: Counter[str]) -> None:
        self._all: list[Subscription] = []
        self._line: Line | None = None
        self._asked: dict[int, str] = {}
        self._unwanted: set[str] = set()
        self._routes: dict[tuple[str, tuple[int, ...]], list[Subscription]] = {}
        self._early: deque[Incoming] = deque()
        self._grace: asyncio.TimerHandle | None = None
        self._settled = False
        self._counters = counters

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._all)

    def add(self, subscription: Subscription) -> None:
        """One more listener; `ValueError` for a filter that is none."""
        if wrong := fault(subscription.filter):
            raise ValueError(f"{subscription.filter!r} is no topic filter: {wrong}")
        self._all.append(subscription)
        self._routes.clear()
        self._unwanted.discard(subscription.filter)
        self._ask(subscription.filter)
        early, self._early = self._early, deque()
        for message in early:
            self.take(message)

    def remove(self, subscription: Subscription, *, standing: bool = False) -> None:
        """One fewer; the last of a filter takes it back from the broker.

        Not if it is `standing`: somebody else will listen in a moment, or in the next run.
        """
        self._all.remove(subscription)
        self._routes.clear()
        if self._of(subscription.filter):
            return
        if standing:
            self._await_listeners()
            return
        if self._line is None:
            # the broker's session may hold it still: it is taken back with the next one
            self._unwanted.add(subscription.filter)
        else:
            self._line.unsubscribe(subscription.filter)

    def begin(self, line: Line) -> None:
        """A new connection: ask for every filter again, and take back what nobody wants."""
        self._line = line
        self._asked.clear()
        for topic_filter in sorted(self._unwanted):
            line.unsubscribe(topic_filter)
        self._unwanted.clear()
        for topic_filter in dict.fromkeys(each.filter for each in self._all):
            self._ask(topic_filter)
        self._await_listeners()

    def _await_listeners(self) -> None:
        """From now on, for a while, messages that nobody listens to wait."""
        self._settled = False
        if self._grace:
            self._grace.cancel()
        self._grace = asyncio.get_running_loop().call_later(EARLY, self._settle)

    def end(self) -> None:
        """The connection is gone; what waited comes again with the next one."""
        self._line = None
        self._settled = False
        self._early.clear()
        if self._grace:
            self._grace.cancel()
        for each in self._all:
            each.granted = None

    def answered(self, number: int, code: int) -> str:
        """The broker's answer to a filter; what it refused, in words."""
        topic_filter = self._asked.pop(number, None)
        for each in self._of(topic_filter):
            each.granted = code if code < 0x80 else None
            each.refused = "" if code < 0x80 else reason(code)
        refused = topic_filter is not None and code >= 0x80
        return f"{topic_filter}: {reason(code)}" if refused else ""

    def take(self, message: Incoming) -> None:
        """Hand a message to its listeners."""
        found = self._listeners(message)
        if not found:
            self._unclaimed(message)
            return
        self._counters["received"] += 1
        wanted = [each for each in found if each.retained or not message.retained]
        later = sum(each.acknowledges for each in wanted)
        message.hold(later or 1)
        for each in found:
            each.counters["received" if each in wanted else "retained"] += 1
        for each in wanted:
            each.handler(message)
        if not later:
            message.acknowledge()

    def _unclaimed(self, message: Incoming) -> None:
        """Nobody listens: perhaps not yet, where the broker kept a session of an earlier run."""
        if not self._settled and message.qos and len(self._early) < MOST_EARLY:
            self._early.append(message)
        else:
            self._counters["unwanted"] += 1
            message.acknowledge()

    def _settle(self) -> None:
        self._settled = True
        early, self._early = self._early, deque()
        for message in early:
            self._unclaimed(message)

    def _listeners(self, message: Incoming) -> list[Subscription]:
        key = (message.topic, message.identifiers)
        found = self._routes.get(key)
        if found is None:
            if len(self._routes) >= _ROUTES:
                self._routes.clear()
            found = self._routes[key] = [each for each in self._all if _takes(each, message)]
        return found

    def _of(self, topic_filter: str | None) -> list[Subscription]:
        return [each for each in self._all if each.filter == topic_filter]

    def _ask(self, topic_filter: str) -> None:
        if self._line is None:
            return
        listeners = self._of(topic_filter)
        qos = max(each.qos for each in listeners)
        retained = any(each.retained for each in listeners)
        number = self._line.subscribe(
            topic_filter, qos, identifier(topic_filter), retained=retained
        )
        self._asked[number] = topic_filter


def _takes(subscription: Subscription, message: Incoming) -> bool:
    # Where filters overlap, a broker of MQTT 5 sends a copy for each and says for which one.
    told = message.identifiers
    named = not told or identifier(subscription.filter) in told
    return named and matches(subscription.filter, message.topic)
