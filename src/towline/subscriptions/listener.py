"""The component of one subscription: what comes, whether it counts, and the actions it runs."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Self

from towline.actions.occasion import Occasion
from towline.actions.runner import Runner
from towline.broker.connection import Connection
from towline.broker.incoming import Incoming
from towline.broker.subscriptions import Subscription
from towline.config.subscriptions import Subscription as Settings
from towline.status import Health
from towline.subscriptions.occasions import occasion
from towline.subscriptions.pace import Pace
from towline.subscriptions.payload import Payload, compiled
from towline.subscriptions.receipts import Receipts
from towline.subscriptions.sharing import fault

MOST_WAITING: Final = 1000
"""Messages that wait for their actions; more are dropped and counted."""

MOST_RUNNING: Final = 100
"""Messages whose actions are under way, or are tried again."""

LARGEST: Final = 256 * 1024
"""Bytes of a payload; larger ones are counted and run nothing."""

TURN: Final = 50
Heard = Callable[[Incoming], None]
Done = Callable[[Occasion, str], None]
"""Told of each occasion whose actions have run, and of its topic."""


class Listener:
    """Listens at one broker for as long as it runs; leans on that broker's connection.

    Messages are `received`; of these some are `oversized`, `dropped`, `passed_over` (a condition
    does not hold) or `limited` (too many a minute, as when an action calls itself); for the others
    each action counts as `executed` or `failed`. `still` tells whether somebody goes on listening
    when this one stops: then the broker keeps the subscription.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        device: str,
        connection: Connection,
        runner: Runner,
        health: Health,
        *,
        still: Callable[[], bool],
        heard: Heard = lambda _: None,
        done: Done = lambda _occasion, _topic: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self.settings = settings
        self.runner = runner
        self.last_message_at: int | None = None
        self._health = health
        self._device = device
        self._connection = connection
        self._still = still
        self._heard = heard
        self._done = done
        self._clock = clock
        self._holds = compiled(settings.when)
        self._pace = Pace(settings.rate)
        self._waiting: deque[Incoming] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._receipts = Receipts()
        self._bell = asyncio.Event()
        self._new_session = asyncio.Event()
        self._ending = False
        self._unshared = ""
        self._was_wrong = False
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._health.stopped()

    @property
    def health(self) -> Health:
        """Degraded, too, while the broker refuses the subscription or delivers nothing to it."""
        found = self._subscription
        if wrong := (found.refused if found is not None else "") or self._unshared:
            self._health.degraded(f"{self.settings.filter}: {wrong}")
            self._was_wrong = True
        elif self._was_wrong:
            self._was_wrong = False
            self._recover()
        if found is not None:
            self._health.counters["retained"] = found.counters["retained"]
        return self._health

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        found, settings = self._subscription, self.settings
        about = {
            "id": self.name,
            "topic": settings.topic,
            "sharedGroup": settings.shared_group or None,
            "enabled": settings.enabled,
            "description": settings.description,
            "granted": None if found is None else found.granted,
            "lastMessage": self.last_message_at,
            "waiting": len(self._waiting) + len(self._running),
            "actions": [job.as_json() for job in self.runner.jobs],
        }
        return about | self.health.as_json()

    def drain(self) -> None:
        """Take nothing more, try what waits once, and return."""
        self.runner.drain()
        self._ending = True
        self._bell.set()

    async def run(self) -> None:
        """Until cancelled or drained."""
        self._health.up()
        if not self.settings.enabled:
            await self._wait()
            return
        own = self.settings
        self._subscription = found = self._connection.subscribe(
            own.filter, self._take, qos=own.qos, retained=own.retained, acknowledges=True
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                probing = tasks.create_task(self._probe(), name=f"{self.name} probe")
                await self._work(tasks, found)
                probing.cancel()
        finally:
            if self._subscription is not None:
                self._leave(found)
            if not self._still():
                self._receipts.close()
            # else what is not done is acknowledged in a moment; should Towline end, it comes again

    def _leave(self, found: Subscription) -> None:
        self._connection.unsubscribe(found, standing=self._still())
        self._subscription = None

    def _take(self, message: Incoming) -> None:
        self._health.counters["received"] += 1
        self.last_message_at = self._clock() // 1_000_000
        self._heard(message)
        if reason := self._unfit(message):
            self._health.counters[reason] += 1
            message.acknowledge()
            return
        self._receipts.take(message)
        self._waiting.append(message)
        self._bell.set()

    def _unfit(self, message: Incoming) -> str:
        if len(message.payload) > LARGEST:
            return "oversized"
        if len(self._waiting) >= MOST_WAITING:
            return "dropped"
        return ""

    async def _wait(self) -> None:
        while not (self._ending or self._waiting):
            self._bell.clear()
            await self._bell.wait()

    async def _work(self, tasks: asyncio.TaskGroup, found: Subscription) -> None:
        looked_at = 0
        while True:
            await self._wait()
            if self._ending and self._subscription is not None:
                self._leave(found)
            if not self._waiting:
                return
            while len(self._running) >= MOST_RUNNING:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            self._look(self._waiting.popleft(), tasks)
            looked_at += 1
            if looked_at % TURN == 0:
                await asyncio.sleep(0)  # others' turn

    def _look(self, message: Incoming, tasks: asyncio.TaskGroup) -> None:
        payload = Payload(message.payload)
        if not self._holds(payload):
            self._health.counters["passed_over"] += 1
            self._receipts.done(message)
            return
        if not self._pace.may():
            self._health.counters["limited"] += 1
            self._receipts.done(message)
            return
        found = occasion(self.name, self._device, message, payload, self._clock())
        task = tasks.create_task(self._act(found, message), name=f"{self.name} acts")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _act(self, found: Occasion, message: Incoming) -> None:
        try:
            if not await self.runner.run(found):
                self._health.counters["undone"] += 1
        finally:
            self._receipts.done(message)
            self._done(found, message.topic)

    async def _probe(self) -> None:
        """With each session: does the broker deliver what is shared?"""
        if not self.settings.shared_group:
            return
        end = self._connection.on_session(self._new_session.set)
        try:
            while True:
                await self._connection.ready()
                self._new_session.clear()
                self._unshared = await fault(self._connection, self._device)
                await self._new_session.wait()
        finally:
            with suppress(ValueError):
                end()

    def _recover(self) -> None:
        if not any(job.failing for job in self.runner.jobs):
            self._health.up()
