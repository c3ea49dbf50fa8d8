"""The one connection to a named broker: kept up for ever, shared by everyone who needs it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

from towline.broker.ceiling import Ceiling
from towline.broker.link import CONNECTION_LOST, Link, Refused
from towline.broker.reasons import WRONG_VERSION, network_reason
from towline.broker.server import Server, client_id, server
from towline.broker.session import Login
from towline.broker.topics import status_topic
from towline.broker.window import Message, Mids
from towline.config.fields import plain
from towline.config.settings import Broker
from towline.errors import DeliveryError, Rejected, Retryable
from towline.status import Health
from towline.trouble import Trouble

_log = logging.getLogger(__name__)

ANSWER_TIMEOUT: Final = 10.0
GOODBYE_GRACE: Final = 1.0
FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 30.0
STEADY: Final = 10.0
"""Seconds after which a connection has proven itself and the back-off begins anew."""


CUT_SHORT: Final = 45.0
"""Seconds below which several lost connections in a row are no accident."""


class _OtherVersion(Exception):
    """The server may speak an older MQTT; `certain` when it said so."""

    def __init__(self, reason: str, *, certain: bool) -> None:
        super().__init__(reason)
        self.certain = certain


class Connection:
    """A component that holds one connection to the first server that takes it.

    Entering never waits for the broker. `publish` fails at once with `Retryable` while there is
    no connection; `ready` waits until there is one. Nothing is kept or sent again here.
    `patience` is how many seconds an acknowledgement may take.
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
        self._version = settings.version
        self._old: set[Server] = set()
        self._ceilings = {at: Ceiling() for at in self._servers}
        self._ceiling = Ceiling()
        self._mids = Mids()
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
            await link.leave([(self._login.status_topic, b"offline")], GOODBYE_GRACE)
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
        keeping = asyncio.create_task(self._keep_up())
        draining = asyncio.create_task(self._draining.wait())
        try:
            await asyncio.wait({keeping, draining}, return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
        finally:
            for task in (keeping, draining):
                task.cancel()
            await asyncio.gather(keeping, draining, return_exceptions=True)

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
            link = await self._opened(at)
            if link is not None:
                await self._hold(at, link)
                return True
        return False

    async def _opened(self, at: Server) -> Link | None:
        if self._version == "3.1.1" or at in self._old:
            return await self._attempt(at, version_5=False)
        try:
            return await self._attempt(at, version_5=True)
        except _OtherVersion as exc:
            if self._version != "auto":
                self._failed(str(exc))
                return None
            if exc.certain:
                self._old.add(at)
            return await self._attempt(at, version_5=False)

    async def _attempt(self, at: Server, *, version_5: bool) -> Link | None:
        try:
            return await self._open(at, version_5=version_5)
        except Refused as exc:
            if version_5 and exc.code in WRONG_VERSION:
                raise _OtherVersion(str(exc), certain=True) from exc
            self._failed(str(exc))
        except ConnectionAbortedError as exc:
            # Closed without an answer: some brokers of 3.1.1 meet a version 5 CONNECT like that.
            if version_5:
                raise _OtherVersion(str(exc), certain=False) from exc
            self._failed(str(exc))
        except OSError as exc:
            self._failed(network_reason(exc))
            self._ceilings[at].away()
        return None

    async def _open(self, at: Server, *, version_5: bool) -> Link:
        link = Link(self._login, self._mids, version_5=version_5)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await asyncio.get_running_loop().create_connection(
                    lambda: link, at.host, at.port, ssl=at.ssl_context(), happy_eyeballs_delay=0.25
                )
                await link.accepted
        except BaseException:
            link.close("given up")
            raise
        return link

    async def _hold(self, at: Server, link: Link) -> None:
        self._ceiling = self._ceilings[at]
        link.window.largest = min(link.window.largest, self._ceiling.limit)
        if link.closed.done():
            self._failed(link.closed.result())
            return
        link.on_lost = self._lost
        self._link = link
        await self._announce(at, link)
        await asyncio.shield(link.closed)
        self._link = None
        self._ceiling.hung_up(link.largest_cut_off, link.said_code)

    def _lost(self, why: str) -> None:
        self._connected.clear()
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
        self._connected.set()
        self.health.up()
        self._trouble.over()
        _log.debug(
            "broker connected", extra={"component": f"brokers.{self.name}", "server": at.text}
        )

    def _failed(self, reason: str) -> None:
        self.health.degraded(f"broker {self.name}: {reason}")
        self._trouble.happened(reason)
