"""The one connection to a named broker: kept up for ever, shared by everyone who needs it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

from towline.broker.dial import Dialer
from towline.broker.hearsay import Hearsay
from towline.broker.kept import Kept
from towline.broker.login import login
from towline.broker.packets import LARGEST, topic_bytes
from towline.broker.servers import Accounts, Held, Servers
from towline.broker.subscriptions import Handler, Subscription, Subscriptions
from towline.broker.topics import status_topic
from towline.broker.uplink import FIRST_DELAY, Uplink
from towline.broker.vitals import Vitals
from towline.broker.window import Message
from towline.config.brokers import Broker
from towline.errors import DeliveryError, Rejected, Retryable
from towline.status import Health
from towline.tls import Credentials
from towline.trouble import Trouble

_log = logging.getLogger(__name__)

UNVERIFIED: Final = "the server's certificate is not verified: it may be anyone"
UNTOLD: Final = "MQTT 3.1.1: a message that the broker refuses looks like one that it took"


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
        folder: Path = Path(),
        accounts: Accounts | None = None,
        patience: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.health = Health()
        self.settings = settings
        self.vitals = Vitals(self.health)
        self._status_topic = status_topic(device)
        self._subscriptions = Subscriptions(self.health.counters)
        credentials = Credentials(settings.tls, folder)
        self._servers = Servers(
            settings.servers,
            login(name, settings, device, patience),
            Dialer(settings.version, credentials, settings.alpn, self._subscriptions.take),
            accounts=accounts,
            fail_back=settings.fail_back,
            sleep=sleep,
            clock=clock,
        )
        self._uplink = Uplink(self._servers, self, sleep=sleep, chance=chance, clock=clock)
        self._hearsay = Hearsay(self._subscriptions, clock=clock)
        self._kept = Kept()
        self._sleep = sleep
        self._on_session: list[Callable[[], None]] = []
        self._draining = asyncio.Event()
        self._warned: set[str] = set()
        self._about: dict[str, object] = {"component": f"brokers.{name}"}
        self._trouble = Trouble(
            _log, "broker not connected", "broker connected again", extra=self._about, clock=clock
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._uplink.leave([*self._kept.open, *self.goodbye()])
        self.vitals.disconnected()
        self.health.stopped()

    def drain(self) -> None:
        """Let `run` return; leaving then says goodbye to the broker."""
        self._draining.set()

    async def ready(self) -> None:
        """Wait until messages can be published."""
        await self._uplink.up.wait()

    @property
    def server(self) -> str:
        """The server in use; empty without one."""
        held = self._uplink.held
        return held.place.at.text if held and self._uplink.up.is_set() else ""

    @property
    def largest(self) -> int:
        """The size of the largest packet that the broker takes, as far as is known."""
        held = self._uplink.held
        return min(held.place.ceiling.limit, held.link.window.largest) if held else LARGEST

    def facts(self) -> dict[str, Any]:
        """How the connection is, as the API serves it."""
        held = self._uplink.held if self._uplink.up.is_set() else None
        return (
            self.vitals.as_json()
            | self._servers.as_json(held)
            | {
                "retained": len(self._kept),
                "subscriptions": [each.as_json() for each in self._subscriptions],
                "broker": self._hearsay.as_json(),
                "warnings": self._warnings(held),
            }
        )

    def reconnect(self) -> None:
        """Make the connection anew, from the first server on, without waiting."""
        self._uplink.reconnect()

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
        await self._uplink.still.wait()
        held = self._uplink.held
        if held is None or not self._uplink.up.is_set():
            raise Retryable(self.health.reason or f"broker {self.name}: not connected yet")
        await self._published(held, messages, qos, retain=retain)

    async def _published(
        self, held: Held, messages: Sequence[Message], qos: int, *, retain: bool
    ) -> None:
        flight = held.link.publish(messages, qos, retain=retain)
        try:
            await flight.done
        except DeliveryError as exc:
            self.health.counters["refused"] += isinstance(exc, Rejected) and len(flight.refused)
            raise
        self.health.counters["published"] += len(messages)
        held.place.ceiling.passed(flight.largest)

    def keep(self, topic: str, payload: bytes) -> None:
        """From now on this stands at a topic, retained; an empty payload removes it.

        `Rejected` for what is no topic, `TooMany` beyond a bound.
        """
        topic_bytes(topic)
        self._kept.set(topic, payload)

    def let_go(self, topic: str) -> None:
        """Keep a topic no more, and leave what stands there."""
        self._kept.forget(topic)

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

    def unsubscribe(self, subscription: Subscription, *, standing: bool = False) -> None:
        """Hand it nothing any more; the broker keeps a `standing` one for who comes after it."""
        self._subscriptions.remove(subscription, standing=standing)

    def on_session(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call a function at every new connection; the returned one ends that."""
        self._on_session.append(told)
        return lambda: self._on_session.remove(told)

    async def run(self) -> None:
        """Connect, and connect again, until cancelled or drained."""
        works = [self._uplink.run(), self._keep_retained(), self._draining.wait()]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # What the uplink asks: towline.broker.uplink.Owner

    async def greet(self, held: Held) -> bool:
        """Say that we are here."""
        held.link.on_answer = self._answered
        try:
            await self._published(held, [(self._status_topic, b"online")], 1, retain=True)
        except Retryable:
            return False
        except Rejected as exc:
            _log.warning("status not published", extra={**self._about, "reason": str(exc)})
        return True

    def up(self, held: Held) -> None:
        """Everything that a broker may have forgotten is due again."""
        self.health.counters["connected"] += 1
        self.vitals.connected(version_5=held.link.version_5)
        self._subscriptions.begin(held.link)
        self._kept.begin()
        self.health.up()
        self._trouble.over()
        for warning in self._warnings(held):
            if warning not in self._warned:
                self._warned.add(warning)
                _log.warning(warning, extra=self._about)
        _log.debug("broker connected", extra={**self._about, "server": held.place.at.text})
        for told in self._on_session:
            told()

    def down(self) -> None:
        """Nobody hears anything until the next link."""
        self._subscriptions.end()
        self._hearsay.lost()
        self.vitals.disconnected()

    def goodbye(self) -> list[Message]:
        """We are no longer here."""
        return [(self._status_topic, b"offline")]

    def failed(self, reason: str, *, taken_over: bool = False) -> None:
        """Say so, and that somebody else may use our client id."""
        if taken_over:
            self.health.counters["taken_over"] += 1
            name = self._servers.login.client_id
            reason = f"{reason}: another client may use the id {name}"
        self.health.degraded(f"broker {self.name}: {reason}")
        self._trouble.happened(reason)

    def _warnings(self, held: Held | None) -> list[str]:
        places = [held.place] if held else self._servers.places
        is_open = not self.settings.tls.verify and any(place.at.tls for place in places)
        found = [UNVERIFIED] if is_open else []
        return [*found, UNTOLD] if held and not held.link.version_5 else found

    def _answered(self, number: int, code: int) -> None:
        if refused := self._subscriptions.answered(number, code):
            _log.warning("subscription refused", extra={**self._about, "reason": refused})

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
                _log.warning("retained topics refused", extra={**self._about, "reason": str(exc)})
            self._kept.arrived(due)
