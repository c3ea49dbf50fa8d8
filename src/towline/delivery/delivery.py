"""From the store to one backend: batches, retries, cursor and accounting for every kind alike."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import islice
from typing import Final, Self

from towline.delivery.batches import Batches
from towline.delivery.bell import Bell
from towline.delivery.dead import DeadLetters
from towline.delivery.missed import Missed
from towline.delivery.outcome import Outcome
from towline.delivery.policy import Awaited, Policy
from towline.delivery.router import Router
from towline.errors import Rejected, Retryable, StoreError
from towline.ports import Backend
from towline.record import Batch
from towline.status import Health
from towline.store.log import Store
from towline.trouble import Trouble

_log = logging.getLogger(__name__)

GREETING: Final = 2.0
"""Seconds that a destination has at the start before its absence is worth a word."""

COMMIT_EVERY: Final = 1.0
"""Seconds between commits that only pass records which go elsewhere."""


class _Moved(Exception):
    """A person has moved the cursor."""


class Delivery:
    """A component that moves a backend's cursor along the store.

    The store is the buffer: a record is read, sent, and only then passed by the cursor, so a kill
    repeats at most one batch. It retries for ever; what retention takes meanwhile is counted.
    """

    def __init__(
        self,
        name: str,
        backend: Backend,
        store: Store,
        router: Router,
        dead: DeadLetters,
        *,
        policy: Policy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        tell_missed: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.backend = backend
        self.health = Health()
        self._store = store
        self._router = router
        self.dead = dead
        self._policy = (policy or Policy()).of(backend)
        self._sleep = sleep
        self._chance = chance
        self._clock = clock
        self._batches: Batches | None = None
        self._committed_at = clock()
        self._end: int | None = None
        self._paused = self._moved = False
        self._bell = Bell()
        self._missed = Missed(tell_missed, clock)
        self._about: dict[str, object] = {"component": f"backends.{name}"}
        self._away = Trouble(
            _log, "cannot deliver", "delivers again", extra=self._about, clock=clock
        )
        self._outcome = Outcome(self.health, dead, self._about, clock)

    async def __aenter__(self) -> Self:
        await self.backend.__aenter__()
        if self._store.cursors.get(self.name) is None:
            self._store.cursors.set(self.name, self._store.next_offset)
        self._paused = self._store.cursors.is_paused(self.name)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.backend.__aexit__(None, None, None)
        self.health.stopped()

    @property
    def cursor(self) -> int:
        """The offset of the first record that has not arrived."""
        return self._committed() if self._batches is None else self._batches.cursor

    @property
    def lag(self) -> int:
        """How many records the backend is behind the store."""
        return self._store.held(self.cursor)

    def drain(self) -> None:
        """Let `run` deliver what the store holds now, and return.

        With a destination that is away it returns at once where the store's files keep the rest,
        and when it is paused.
        """
        self._end = self._store.next_offset
        self._bell.ring()

    @property
    def paused(self) -> bool:
        """Whether a person has said that nothing is sent."""
        return self._paused

    def pause(self) -> None:
        """Send nothing until `resume`, over restarts; the cursor stays where it is."""
        self._pause(paused=True)

    def resume(self) -> None:
        """Go on from the cursor."""
        self._pause(paused=False)

    def _pause(self, *, paused: bool) -> None:
        self._paused = paused
        self._store.cursors.pause(self.name, self._committed(), paused=paused)
        self._bell.ring()

    def move(self, offset: int) -> int:
        """Go on from another offset, kept in what the store has; return where that is."""
        store = self._store
        offset = max(store.first_offset, min(offset, store.next_offset))
        store.cursors.set(self.name, offset)
        self._moved, self._batches = True, None
        self._bell.ring()
        return offset

    def revive(self) -> int:
        """Send again what was set aside; return how many records that are. Blocking for a moment.

        What is refused again is set aside anew. `StoreError` when the disk refuses.
        """
        try:
            count = self.dead.begin_again()
        except OSError as exc:
            raise StoreError(f"records set aside cannot be read: {exc.strerror}") from exc
        self._bell.ring()
        return count

    async def run(self) -> None:
        """Deliver until cancelled or drained."""
        if isinstance(self.backend, Awaited):
            await self._bell.first_of(self.backend.ready(), self._sleep(GREETING))
        self.health.up()
        with suppress(Retryable):  # raised when drained only
            while True:
                try:
                    await self._go_on(self._begin())
                except _Moved:
                    continue
                break
        self._missed.tell()

    def _begin(self) -> Batches:
        self._moved = False
        reader = self._store.reader(self._committed())
        self._batches = Batches(self.name, reader, self._router, self._policy, self._clock)
        return self._batches

    async def _go_on(self, batches: Batches) -> None:
        while await self._gathered(batches):
            if self.dead.waiting:
                await self._revive()
                continue
            batch = batches.batch()
            await self._deliver(batch)
            batches.arrived(batch)
            if not batches:
                self._commit(batches.reader.offset)

    async def _revive(self) -> None:
        records = self.dead.again(self._store.decode)
        while batch := list(islice(records, self._policy.max_records)):
            await self._deliver(batch, aside=True)
        self.dead.end_again()

    async def _gathered(self, batches: Batches) -> bool:
        """Wait for a batch that is due; False when drained and nothing is left."""
        while True:
            if self._moved:
                raise _Moved
            if self._paused:
                if self._end is not None:
                    return False
                await self._bell.first_of()
                continue
            if self.dead.waiting:
                return True
            more = await batches.fill(self._end)
            self._count_missed(batches.missed())
            if batches and not batches.patience():
                return True
            if more:
                continue
            if self._end is not None:
                self._commit(batches.cursor)
                return bool(batches)
            await self._idle(batches)

    async def _idle(self, batches: Batches) -> None:
        if batches:
            waiting = self._sleep(batches.patience())
            await self._bell.first_of(batches.reader.wait(), waiting)
            return
        self._missed.tell()
        if self._clock() - self._committed_at >= COMMIT_EVERY:
            self._commit(batches.cursor)
        await self._bell.first_of(batches.reader.wait())

    def _count_missed(self, lost: int) -> None:
        if lost:
            self.health.counters["missed"] += lost
            self._missed.add(lost)
            _log.warning(
                "records were removed before they were delivered",
                # a record says it, too, with its number
                extra={**self._about, "lost": lost, "told": True},
            )

    async def _deliver(self, batch: Batch, *, aside: bool = False) -> None:
        """Send until taken; what is rejected is narrowed down to its records and set aside.

        `aside`: the cursor has passed these long ago.
        """
        try:
            await self._sent(batch)
        except Rejected as exc:
            await self._narrow(batch, exc, aside=aside)
        else:
            self._outcome.arrived(batch)
            self.health.up()
        if not aside:
            self._commit(batch[-1].offset + 1)

    async def _sent(self, batch: Batch) -> None:
        attempt = 0
        while True:
            if self._moved:
                raise _Moved
            try:
                await self.backend.send(batch)
            except Retryable as exc:
                self.health.counters["retried"] += 1
                self.health.degraded(str(exc))
                self._away.happened(str(exc))
                if self._end is not None and self._store.persistent:
                    raise
                await self._rest(attempt, exc.retry_after or 0.0)
                attempt += 1
            else:
                self._away.over()
                return

    async def _rest(self, attempt: int, least: float) -> None:
        delay = least + self._policy.delay(attempt, self._chance())
        await self._bell.first_of(self._sleep(delay))
        if isinstance(self.backend, Awaited) and self._end is None:
            # now and then try all the same: the reason that people see may have changed
            await self._bell.first_of(self.backend.ready(), self._sleep(self._policy.longest_delay))
        while self._paused and not self._moved:
            if self._end is not None:
                raise Retryable("paused")
            await self._bell.first_of()

    async def _narrow(self, batch: Batch, exc: Rejected, *, aside: bool) -> None:
        if not exc.positions and len(batch) > 1:
            middle = len(batch) // 2
            await self._deliver(batch[:middle], aside=aside)
            await self._deliver(batch[middle:], aside=aside)
            return
        poison = set(exc.positions or (0,))
        self._outcome.arrived([record for at, record in enumerate(batch) if at not in poison])
        self._outcome.set_aside(
            [record for at, record in enumerate(batch) if at in poison], str(exc)
        )
        self._away.over()
        self.health.up()
        self.health.last_error = str(exc)

    def _committed(self) -> int:
        found = self._store.cursors.get(self.name)
        return self._store.next_offset if found is None else found

    def _commit(self, offset: int) -> None:
        self._committed_at = self._clock()
        if self._moved:
            return
        if offset != self._store.cursors.get(self.name):
            self._store.cursors.set(self.name, offset)
