"""The containers of one engine: met, looked at again, forgotten."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from towline.config.kinds import Surroundings
from towline.errors import NotFound, SourceError
from towline.record import Line, Origin
from towline.sources.docker.attachments import Attachments
from towline.sources.docker.catchup import CatchUp
from towline.sources.docker.choice import Choice
from towline.sources.docker.chronicle import Chronicle, Event, action_of, actor, in_list
from towline.sources.docker.engine import Engine
from towline.sources.docker.follow import Reading
from towline.sources.docker.history import History
from towline.sources.docker.known import Known, keep_service
from towline.sources.docker.origins import Container
from towline.sources.docker.position import Position
from towline.sources.docker.stream import Stream
from towline.sources.docker.times import first_since
from towline.sources.docker.ways import Ways
from towline.status import Health
from towline.store.checkpoints import Checkpoint

_log = logging.getLogger(__name__)
Deliver = Callable[[Known, list[Line]], None]
Look = Callable[[], Container]
Running = Callable[[], Awaitable[bool]]


class Census:
    """Every container that the engine has, kept over sessions; those chosen are read."""

    def __init__(
        self,
        name: str,
        choice: Choice,
        around: Surroundings,
        deliver: Deliver,
        chronicle: Chronicle,
        *,
        own: tuple[str, ...],
        health: Health,
        ways: Callable[[CatchUp, Look, Running], Ways],
    ) -> None:
        self._name = name
        self._choice = choice
        self._around = around
        self._deliver = deliver
        self._chronicle = chronicle
        self._own = own
        self._health = health
        self._ways = ways
        self._known: dict[str, Known] = {}
        self._former: dict[str, Known] = {}
        self._engine: Engine | None = None
        self._attachments: Attachments | None = None
        self._taken = False

    def __iter__(self) -> Iterator[Known]:
        return iter(self._known.values())

    def running(self) -> list[Known]:
        """Those that run."""
        return [known for known in self if known.container.running]

    def begin(self, engine: Engine, attachments: Attachments) -> None:
        """A session with the engine begins."""
        self._engine, self._attachments = engine, attachments

    def end(self) -> None:
        """It is over: what was known stays, nothing is read."""
        self._engine = self._attachments = None

    def is_own(self, id_: str) -> bool:
        """Whether Towline itself runs in that container."""
        return bool(self._own) and id_.startswith(self._own)

    async def take(self, *, everyone: bool) -> None:
        """Compare with the engine's list: events get lost. `everyone`: look at each of them."""
        engine = self._present
        before = set(self._known)  # what comes while the list is on its way is not on it
        listed = {found["Id"]: found for found in await engine.containers()}
        for id_ in before - listed.keys():
            self.forget(id_)
        self._around.checkpoints.keep_only(engine.id, listed.keys() | self._known.keys())
        for id_, found in listed.items():
            known = self._known.get(id_)
            if known is None and self._taken and not self.is_own(id_):
                self._chronicle.expect(id_)
            if everyone or known is None or self._differs(known, found):
                await self.meet(id_)
        for known in list(self):
            if not self._tells_of(known) and known.attached:
                await self._attend(known, False)  # nobody views it any more
        self._chronicle.compare({id_: in_list(found) for id_, found in listed.items()})
        self._taken = True

    async def heed(self, event: Event) -> None:
        """Look at the container of an event, and tell it: that, too, where there is no look."""
        id_, attributes = actor(event)
        if not id_ or self.is_own(id_) or not self._chronicle.is_new(event):
            return
        self._chronicle.heed(event)
        action = action_of(event)
        try:
            if action != "destroy":
                await self.meet(id_, live=action == "start")
        finally:
            self._chronicle.tell(event, self._chosen(self._origin(Container.told(id_, attributes))))
            if action == "destroy":
                self.forget(id_)

    def _differs(self, known: Known, found: Mapping[str, Any]) -> bool:
        """Whether a row of the engine's list is not as the container was when it was looked at."""
        container, (status, health) = known.container, in_list(found)
        if status == "running" and not known.attached and self._reads(known):
            return True
        if f"/{container.name}" not in (found.get("Names") or ()):
            return True
        checked = health in ("healthy", "unhealthy")
        return status != container.status or (checked and health != container.health)

    def _reads(self, known: Known) -> bool:
        """Whether its log is wanted and can be read."""
        return not known.unreadable and self._wanted(known)

    def _tells_of(self, known: Known) -> bool:
        """Whether it is wanted; the chronicle hears of it and of how the container is."""
        wanted = self._wanted(known)
        self._chronicle.about(known.container, known.origin if wanted else None)
        return wanted

    def _wanted(self, known: Known) -> bool:
        return self._is_included(known) or (known.wanted is None and known.is_viewed)

    def _is_included(self, known: Known) -> bool:
        return self._choice(known.origin) if known.wanted is None else known.wanted

    def _origin(self, container: Container) -> Origin:
        device, engine = self._around.device.id, self._engine.id if self._engine else ""
        return container.origin(device=device, engine=engine, source=self._name)

    def _chosen(self, origin: Origin) -> Origin | None:
        return origin if self._choice(origin) else None

    async def meet(self, id_: str, *, live: bool = False) -> None:
        """Look at a container; begin to read it where that is wanted. `live`: it just started."""
        if self.is_own(id_):
            return
        engine = self._present
        try:
            container = await engine.inspect(id_)
        except NotFound:
            self._health.counters["missed_container"] += live  # of other events it was read before
            return
        origin = self._origin(container)
        known = self._known.get(id_)
        if known is None:
            known = self._known[id_] = self._new(engine, container, origin)
            if former := self._former.pop(id_, None):
                known.follow_on(former)
        known.container = container
        if known.origin != origin:
            known.origin = origin if known.wanted is None else keep_service(origin, known.origin)
        known.reading.catch_up.filters_since = engine.filters_since
        await self._attend(known, live)

    async def _attend(self, known: Known, live: bool) -> None:
        wanted = self._tells_of(known)
        if self._attachments is None:
            return
        if not wanted:
            await self._attachments.stop(known)  # a new name may be excluded
        elif not known.unreadable:
            self._attachments.start(known, live=live)

    def _new(self, engine: Engine, container: Container, origin: Origin) -> Known:
        position = self._position(engine, container)

        async def running() -> bool:
            with suppress(NotFound):
                known.container = await self._present.inspect(container.id)
                return known.container.running
            return False

        async def open_(query: str, feed: Callable[[bytes], None]) -> Stream:
            return await self._present.log(container.id, query, feed)

        history = History(open_, terminal=container.terminal)
        catch_up = CatchUp(
            position,
            history,
            lambda lines: self._deliver(known, lines),
            filters_since=engine.filters_since,
        )
        ways = self._ways(catch_up, lambda: known.container, running)
        reading = Reading(catch_up, open_, running, ways=ways, rotated=container.rotated)
        known = Known(container, origin, reading)
        return known

    def _position(self, engine: Engine, container: Container) -> Position:
        """Where reading goes on, or begins: that is noted before anything of it is stored."""
        checkpoints = self._around.checkpoints
        point = checkpoints.get(engine.id, container.id)
        position = Position(
            engine.id,
            container.id,
            terminal=container.terminal,
            first_since=first_since(container.created, self._around.max_age),
            checkpoint=point,
            tail=checkpoints.tails.get(container.id),
        )
        if point is None:
            since = position.first_since
            begin = Checkpoint(
                engine=engine.id, container=container.id, seq=0, since=since, rows=()
            )
            try:
                checkpoints.begin(begin)
            except OSError as exc:
                _log.warning("first checkpoint not noted", extra={"reason": exc.strerror})
        return position

    @property
    def _present(self) -> Engine:
        if self._engine is None:
            raise SourceError("the engine is away")
        return self._engine

    def forget(self, id_: str) -> None:
        """A container is gone for good; one that is read is forgotten when that has ended."""
        known = self._known.get(id_)
        if known is None:
            return
        if known.task is not None and known.attached:
            known.container = replace(known.container, running=False)
            known.reading.ways.ring()
            known.task.add_done_callback(lambda _: self._drop(known))
        else:
            self._drop(known)

    def has(self, id_: str) -> bool:
        """Whether a container of that id is known."""
        return id_ in self._known

    def start_over(self) -> None:
        """Forget every container but what people said of it; each is met again."""
        self._former = {known.container.id: known for known in self}
        self._known.clear()
        self._taken = False

    def _drop(self, known: Known) -> None:
        id_ = known.container.id
        if self._known.get(id_) is known:
            del self._known[id_]
        self._around.checkpoints.forget(known.reading.position.engine, id_)

    def find(self, id_: str) -> Known:
        """By id, at least twelve digits of it, or name; `NotFound` when there is none."""
        for known in self:
            container = known.container
            if id_ in (container.id, container.name) or (
                len(id_) >= 12 and container.id.startswith(id_)
            ):
                return known
        raise NotFound(f"no container {id_!r}")

    async def control(self, known: Known, what: str) -> None:
        """Have the engine `start`, `stop` or `restart` it."""
        await self._present.control(known.container.id, what)

    async def attach(self, known: Known, service_id: int | None, service: str | None) -> None:
        """Read a container whatever is chosen."""
        known.wanted, known.unreadable = True, False
        known.origin = replace(
            known.origin,
            service_id=known.origin.service_id if service_id is None else service_id,
            service=service or known.origin.service,
        )
        await self._attend(known, False)

    async def detach(self, known: Known) -> None:
        """Read it no more until it is attached again."""
        known.wanted = False
        await self._attend(known, False)

    async def view(self, known: Known) -> None:
        """Somebody views it: if it is excluded, it is read as long as that is so."""
        known.view()
        if not known.attached and self._reads(known) and not self._is_included(known):
            await self._attend(known, False)

    def as_json(self) -> list[dict[str, Any]]:
        """What is known, for the API."""
        rows = [(known.as_json(self._name), self._is_included(known)) for known in self]
        return [row | {"excluded": not included} for row, included in rows]
