"""The one connection to a named broker: kept up for ever, shared by everyone who needs it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

from towline.broker.ceiling import Ceiling
from towline.broker.dial import Dialer, NotTaken
from towline.broker.kept import Kept
from towline.broker.link import CONNECTION_LOST, Link
from towline.broker.server import Server, client_id, server
from towline.broker.session import Login
from towline.broker.subscriptions import Handler, Subscription, Subscriptions
from towline.broker.topics import status_topic
from towline.broker.window import Message, Mids
from towline.config.fields import plain
from towline.config.settings import Broker
from towline.errors import DeliveryError, Rejected, Retryable
from towline.status import Health
from towline.trouble import Trouble

_log = logging.getLogger(__name__)

GOODBYE_GRACE: Final = 1.0
FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 30.0
STEADY: Final = 10.0
"""Seconds after which a connection has proven itself and the back-off begins anew."""


CUT_SHORT: Final = 45.0
"""Seconds below which several lost connections in a row are no accident."""


class Connection:
    """A component that holds one connection to the first server that takes it.

    Entering never waits for the broker. What others build on it:

    - `publish` and `publish_all` wait for the acknowledgement. They fail at once with `Retryable`
      while there is no connection; `ready` waits until there is one. Nothing is sent again here.
    - `keep(topic, payload)` never waits: it makes sure that this stands, retained, at the topic,
      also after the broker was replaced. For states and descriptions, not for events.
    - `subscribe(filter, handler)` may be called at any time and holds for every connection there
      will be, until `unsubscribe`. A handler is a plain function; it returns at once and does not
      raise: an `Inbox` is one, bounded, for a task that takes its time. Retained messages bear
      `retained` and come again with every session; `retained=False` passes them over. With
      `acknowledges=True` the broker sends a message again until its `acknowledge` is called.
    - `on_session` is told of every new connection: what a broker may have forgotten is due again.

    Whoever leans on a connection names `brokers.<name>` in its `needs`: it is then built anew when
    the connection is. `patience` is how many seconds an acknowledgement may take.
    """

    def __init__(
        self,
        name: str,
        settings: Broker,
        device: str,
        *,
        patience: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.health = Health()
        self.server = ""
        self._servers = [server(url) for url in settings.servers]
        self._login = Login(
            broker=name,
            client_id=client_id(settings, device),
            username=plain(settings.username),
            password=settings.password.reveal(),
            keep_alive=max(1, round(settings.keep_alive)),
            clean_session=settings.clean_session,
            status_topic=status_topic(device),
            patience=patience,
        )
        self._mids = Mids()
        self._subscriptions = Subscriptions()
        self._dialer = Dialer(settings.version, self._mids, self._subscriptions.take)
        self._kept = Kept()
        self._on_session: list[Callable[[], None]] = []
        self._ceilings = {at: Ceiling() for at in self._servers}
        self._ceiling = Ceiling()
        self._link: Link | None = None
        self._connected = asyncio.Event()
        self._draining = asyncio.Event()
        self._cut_short = 0
        self._sleep = sleep
        self._chance = chance
        self._clock = clock
        self._trouble = Trouble(
            _log,
            "broker not connected",
            "broker connected again",
            extra={"component": f"brokers.{name}"},
            clock=clock,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        link, self._link = self._link, None
        self._connected.clear()
        if link is not None:
            link.on_lost = lambda _: None
            last = [*self._kept.open, (self._login.status_topic, b"offline")]
            await link.leave(last, GOODBYE_GRACE)
        self.health.stopped()

    def drain(self) -> None:
        """Let `run` return; leaving then says goodbye to the broker."""
        self._draining.set()

    async def ready(self) -> None:
        """Wait until messages can be published."""
        await self._connected.wait()

    @property
    def largest(self) -> int:
        """The size of the largest packet that the broker takes, as far as is known."""
        limit = self._ceiling.limit
        return min(limit, self._link.window.largest) if self._link else limit

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> None:
        """Publish one message; as `publish_all`."""
        await self.publish_all([(topic, payload)], qos=qos, retain=retain)

    async def publish_all(
        self, messages: Sequence[Message], *, qos: int = 1, retain: bool = False
    ) -> None:
        """Publish in order and return when the broker has taken all of them.

        QoS 0 is taken when the socket has it. `Retryable` while there is no connection, when it is
        lost meanwhile, or for want of quota; `Rejected` with positions for what is refused.
        """
        link = self._link
        if link is None or not self._connected.is_set():
            raise Retryable(self.health.reason or f"broker {self.name}: not connected yet")
        await self._published(link, messages, qos, retain=retain)

    def keep(self, topic: str, payload: bytes) -> None:
        """From now on this stands at a topic, retained; an empty payload removes it."""
        self._kept.set(topic, payload)

    def subscribe(
        self,
        topic_filter: str,
        handler: Handler,
        *,
        qos: int = 1,
        retained: bool = True,
        acknowledges: bool = False,
    ) -> Subscription:
        """Hand what comes for a filter to a handler; `ValueError` for a filter that is none.

        The subscription's `granted` and `refused` tell what the broker says to it.
        """
        found = Subscription(
            topic_filter, handler, qos, retained=retained, acknowledges=acknowledges
        )
        self._subscriptions.add(found)
        return found

    def unsubscribe(self, subscription: Subscription) -> None:
        """Hand it nothing any more."""
        self._subscriptions.remove(subscription)

    def on_session(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call a function at every new connection; the returned one ends that."""
        self._on_session.append(told)
        return lambda: self._on_session.remove(told)

    async def _published(
        self, link: Link, messages: Sequence[Message], qos: int, *, retain: bool
    ) -> None:
        flight = link.publish(messages, qos, retain=retain)
        try:
            await flight.done
        except DeliveryError as exc:
            self.health.counters["refused"] += isinstance(exc, Rejected) and len(flight.refused)
            raise
        self.health.counters["published"] += len(messages)
        self._ceiling.passed(flight.largest)

    async def run(self) -> None:
        """Connect, and connect again, until cancelled or drained."""
        works = [self._keep_up(), self._keep_retained(), self._draining.wait()]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_up(self) -> None:
        failures = 0
        while True:
            since = self._clock()
            connected = await self._try_servers()
            lasted = self._clock() - since
            self._cut_short = self._cut_short + 1 if connected and lasted < CUT_SHORT else 0
            if connected and lasted >= STEADY:
                failures = 0
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures, 8))
            failures += 1
            await self._sleep(delay * (0.5 + self._chance() / 2))

    async def _try_servers(self) -> bool:
        """Hold a connection to the first server that takes us until it is lost."""
        for at in self._servers:
            try:
                link = await self._dialer.open(at, self._login)
            except NotTaken as exc:
                self._failed(str(exc))
                if exc.away:
                    self._ceilings[at].away()
            else:
                await self._hold(at, link)
                return True
        return False

    async def _hold(self, at: Server, link: Link) -> None:
        self._ceiling = self._ceilings[at]
        link.window.largest = min(link.window.largest, self._ceiling.limit)
        if link.closed.done():
            self._failed(link.closed.result())
            return
        link.on_lost = self._lost
        link.on_answer = self._answered
        self._link = link
        await self._announce(at, link)
        await asyncio.shield(link.closed)
        self._link = None
        self._ceiling.hung_up(link.largest_cut_off, link.said_code)

    def _lost(self, why: str) -> None:
        self._connected.clear()
        self._subscriptions.end()
        if self._cut_short >= 2 and why == CONNECTION_LOST:
            why = f"{why} again and again: another client may use the id {self._login.client_id}"
        self._failed(why)

    async def _announce(self, at: Server, link: Link) -> None:
        try:
            online = [(self._login.status_topic, b"online")]
            await self._published(link, online, 1, retain=True)
        except Retryable:
            return
        except Rejected as exc:
            _log.warning(
                "status not published",
                extra={"component": f"brokers.{self.name}", "reason": str(exc)},
            )
        if link.closed.done():
            return
        self.server = at.text
        self.health.counters["connected"] += 1
        self._subscriptions.begin(link)
        self._kept.begin()
        self._connected.set()
        for told in self._on_session:
            told()
        self.health.up()
        self._trouble.over()
        _log.debug(
            "broker connected", extra={"component": f"brokers.{self.name}", "server": at.text}
        )

    def _answered(self, number: int, code: int) -> None:
        if refused := self._subscriptions.answered(number, code):
            _log.warning(
                "subscription refused",
                extra={"component": f"brokers.{self.name}", "reason": refused},
            )

    async def _keep_retained(self) -> None:
        """Bring to the broker what should stand there."""
        while True:
            await self.ready()
            due = await self._kept.due()
            try:
                await self.publish_all(due, retain=True)
            except Retryable:
                await self._sleep(FIRST_DELAY)
                continue
            except Rejected as exc:
                _log.warning(
                    "retained topics refused",
                    extra={"component": f"brokers.{self.name}", "reason": str(exc)},
                )
            self._kept.arrived(due)

    def _failed(self, reason: str) -> None:
        self.health.degraded(f"broker {self.name}: {reason}")
        self._trouble.happened(reason)
