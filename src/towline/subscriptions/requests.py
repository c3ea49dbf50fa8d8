"""The component that is asked over MQTT: `towline/{device}/request/{what}`, and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, Self

import msgspec

from towline.broker.incoming import Inbox, Incoming
from towline.broker.subscriptions import Handler, Subscription
from towline.broker.topics import device_topic
from towline.config.requests import REQUESTS, Requests
from towline.errors import ConfigError, DeliveryError, TowlineError
from towline.ports import Audit
from towline.status import Health
from towline.subscriptions.pace import Pace
from towline.subscriptions.signing import Doorkeeper, Refused, Request

MOST_WAITING: Final = 50
"""Requests that wait; more are dropped and counted."""

PATIENCE: Final = 60.0
_encode = msgspec.json.Encoder(enc_hook=str).encode

Perform = Callable[[str, dict[str, Any], str], Awaitable[Any]]
"""Do what is asked with a body, in the name of somebody; what comes of it, as JSON."""


class Line(Protocol):
    """The part of a broker's connection that this needs."""

    name: str

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Publish one message."""

    def keep(self, topic: str, payload: bytes) -> None:
        """From now on this stands at a topic."""

    def subscribe(self, topic_filter: str, handler: Handler, *, qos: int) -> Subscription:
        """Hand what comes for a filter to a handler."""

    def unsubscribe(self, subscription: Subscription) -> None:
        """Hand it nothing any more."""


class RequestsPart:
    """One request at a time, in order. Counted: `answered`, `failed`, `refused`, `retained`.

    A retained request is no request: it is cleared at the broker. More than `rate` a minute are
    refused; of what is refused no more than that are answered or written down.
    """

    def __init__(
        self, device: str, settings: Requests, line: Line, perform: Perform, audit: Audit
    ) -> None:
        self.health = Health()
        self._device = device
        self._settings = settings
        self._line = line
        self._perform = perform
        self._audit = audit
        self._actor = f"requests at {line.name}"
        self._inbox = Inbox(MOST_WAITING, over="newest")
        self._door = Doorkeeper(device, settings.secret)
        self._pace, self._refusals = Pace(settings.rate), Pace(settings.rate)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self) -> None:
        """Until cancelled."""
        self.health.up()
        topics = device_topic(self._device, "request/+")
        subscription = self._line.subscribe(topics, self._take, qos=1)
        try:
            async for message in self._inbox:
                self.health.counters["dropped"] = self._inbox.counters["dropped"]
                await self._obey(message.topic.rpartition("/")[2], message.payload)
        finally:
            self._line.unsubscribe(subscription)

    def _take(self, message: Incoming) -> None:
        if not message.retained:
            if message.payload:  # an empty one is our own: it clears what was retained
                self._inbox(message)
            return
        self.health.counters["retained"] += 1
        if message.payload and message.topic.rpartition("/")[2] in REQUESTS:
            self._line.keep(message.topic, b"")

    async def _obey(self, what: str, payload: bytes) -> None:
        try:
            request = self._admitted(what, payload)
        except Refused as exc:
            self.health.counters["refused"] += 1
            if self._refusals.may():
                self._written(what, exc.transaction, exc.code)
                await self._answer(what, exc.transaction, error=_error(exc.code, str(exc)))
            return
        try:
            async with asyncio.timeout(PATIENCE):
                result = await self._perform(what, request.body, self._actor)
        except TimeoutError:
            error = _error("too_slow", f"not done within {PATIENCE:g} s")
        except ConfigError as exc:
            error = _error("config_invalid", str(exc)[:2000])
        except TowlineError as exc:
            error = _error(getattr(exc, "code", "failed"), str(exc)[:2000])
        else:
            self.health.counters["answered"] += 1
            self._written(what, request.transaction, "ok")
            await self._answer(what, request.transaction, result=result)
            return
        self.health.counters["failed"] += 1
        self._written(what, request.transaction, error["code"])
        await self._answer(what, request.transaction, error=error)

    def _admitted(self, what: str, payload: bytes) -> Request:
        request = self._door.admit(what, payload)
        if what not in self._settings.allow:
            told = f"{what[:64]} is not answered here"
            raise Refused("not_allowed", told, request.transaction)
        if not self._pace.may():
            told = f"{self._settings.rate} requests a minute are enough"
            raise Refused("too_many", told, request.transaction)
        return request

    def _written(self, what: str, transaction: str, outcome: str) -> None:
        about = {"transaction": transaction, "outcome": outcome}
        self._audit.put(self._actor, "request", what[:64], diff=about)

    async def _answer(self, what: str, transaction: str, **more: Any) -> None:
        document = {"transaction": transaction, "ok": "result" in more} | more
        topic = device_topic(self._device, f"response/{what}")
        try:
            await self._line.publish(topic, _encode(document), qos=1, retain=False)
        except DeliveryError:
            self.health.counters["unanswered"] += 1


def _error(code: str, text: str) -> dict[str, str]:
    return {"code": code, "message": text}
