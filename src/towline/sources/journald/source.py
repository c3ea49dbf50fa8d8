"""The journald source: units of the host, the kernel, and containers, whole and once."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Self

from towline.config.kinds import Surroundings
from towline.errors import SourceError
from towline.ports import Emit
from towline.record import Line, Origin, OriginType, time_text
from towline.sources.journald.bookmark import Bookmark
from towline.sources.journald.choice import Choice, JournaldConfig, journal_matches
from towline.sources.journald.entries import dropped, line_of, origin_of, stable_name, whose
from towline.sources.journald.export import Entry
from towline.sources.journald.parts import MAX_LINE, PATIENCE, Parts
from towline.sources.journald.reader import Reader, arguments, first, reading
from towline.status import Health
from towline.store.checkpoints import Checkpoints
from towline.store.upkeep import Progress
from towline.trouble import Trouble

_log = logging.getLogger(__name__)

RETRY: Final = (1.0, 30.0)
"""The first and the longest pause before the journal is opened again."""

ORIGINS: Final = 4096


class JournaldSource:
    """Reads a journal through `journalctl`; a journal that cannot be read is tried again.

    `own` are the ids of the containers that Towline runs in: its lines must not come round again.
    """

    def __init__(
        self,
        name: str,
        config: JournaldConfig,
        around: Surroundings,
        *,
        own: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.health = Health()
        self._config = config
        self._around = around
        self._device = around.device.id
        self._max_age = around.max_age
        self._checkpoints: Checkpoints = around.checkpoints
        self._choice = Choice(config)
        self._own = frozenset(id_.encode() for id_ in own)
        self._pid = str(os.getpid()).encode()
        self._origin = lru_cache(ORIGINS)(self._find)
        self._containers: dict[str, Origin] = {}
        self._parts = Parts()
        self._mark = Bookmark(Checkpoints(None))
        self._emit: Emit = lambda origin, lines: 0
        self._offset = 0
        self._away = Trouble(
            _log, "the journal cannot be read", "the journal is read again", extra={"source": name}
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self, emit: Emit) -> None:
        """Until cancelled; where its predecessor stopped is known only now."""
        self._mark = Bookmark(self._checkpoints)
        self._emit = emit
        self._offset = emit(self._system, [])
        delay = RETRY[0]
        try:
            while True:
                begun = time.monotonic()
                try:
                    await self._session()
                except SourceError as exc:
                    self._away.happened(str(exc))
                    self.health.degraded(str(exc))
                if time.monotonic() - begun > RETRY[1]:
                    delay = RETRY[0]
                await asyncio.sleep(delay)
                delay = min(RETRY[1], delay * 2)
        finally:
            self._mark.hand_over()

    async def _session(self) -> None:
        """Read until `journalctl` ends; `SourceError` says why it did."""
        config, cursor = self._config, self._mark.position.cursor
        start = f"--since=@{int(time.time() - self._max_age)}"
        if cursor:
            await self._look_back(cursor)
            start = f"--after-cursor={cursor}"
        command = arguments(config.path, "--follow", "--no-tail", start, *journal_matches(config))
        async with reading(command) as reader:
            while True:
                self._take(await self._next(reader))
                self.health.counters["oversize"] = reader.oversize

    async def _next(self, reader: Reader) -> list[Entry]:
        """The next entries; meanwhile open lines whose end does not come are handed on."""
        task = asyncio.ensure_future(reader.read())
        try:
            while not (await asyncio.wait((task,), timeout=PATIENCE))[0]:
                self._well()
                for origin, line in self._parts.flush():
                    self._deliver(origin, [line])
            return task.result()
        finally:
            task.cancel()

    def _well(self) -> None:
        self._away.over()
        self.health.up()

    async def _look_back(self, cursor: str) -> None:
        """Say it when the journal has lost the entry that was read last: and what else?"""
        found = await first(arguments(self._config.path, f"--cursor={cursor}"))
        if found is None or found.get(b"__CURSOR") != cursor.encode():
            reason = "the journal does not hold the entry read last any more"
            self._deliver(self._system, [self._gap(self._mark.position.seq, reason)])

    def _take(self, entries: list[Entry]) -> None:
        """Put entries into the store, in runs of one origin."""
        self._well()
        self._mark.note()
        position = self._mark.position
        for origin, run in groupby(self._lines(entries), key=itemgetter(0)):
            new = [line for _, line in run if not position.is_stored(origin, line)]
            if new:
                self._deliver(origin, new)

    def _lines(self, entries: list[Entry]) -> Iterator[tuple[Origin, Line]]:
        position, counters = self._mark.position, self.health.counters
        for entry in entries:
            before = position.cursor
            try:
                begun = position.advance(entry)
            except (KeyError, ValueError):
                counters["unreadable"] += 1
                continue
            if begun:
                self._checkpoints.begin(begun)
            counters["entries"] += 1
            origin = self._origin(whose(entry))
            if origin is not None and entry.get(b"_PID") != self._pid:
                for line in self._of(origin, entry, before):
                    yield origin, line

    def _of(self, origin: Origin, entry: Entry, before: str) -> Iterator[Line]:
        """What an entry says, and what it says is missing."""
        line = line_of(entry, self._mark.position.seq)
        if len(line.text) > MAX_LINE:
            self.health.counters["truncated"] += 1
            line.text, line.extra = line.text[:MAX_LINE], ',"truncated":true'
        if origin.type == OriginType.CONTAINER:
            if lost := self._mark.position.jumped(entry):
                yield self._gap(line.seq, "entries are missing in the journal", lost=lost)
            yield from self._parts.take(origin, entry, line, before)
            return
        yield line
        if lost := dropped(entry):
            yield self._gap(line.seq, "the journal suppressed what came too fast", lost=lost)

    def _find(self, found: tuple[bytes, bytes, bytes]) -> Origin | None:
        """The origin, or None when it is not to be read."""
        if found[0] in self._own:
            return None
        origin = origin_of(found, device=self._device, source=self.name)
        if not self._choice(origin):
            return None
        if origin.container_id:
            if len(self._containers) >= ORIGINS:
                del self._containers[next(iter(self._containers))]
            self._containers[origin.name] = origin  # one made anew takes its predecessor's place
        return origin

    def _deliver(self, origin: Origin, lines: list[Line]) -> None:
        self._mark.emitted(origin, lines, self._offset)
        self._offset = self._emit(origin, lines)
        self.health.counters["lines"] += len(lines)

    def knows(self, id_: str) -> bool:
        """The journal tells what containers said, not which there are: none is attached by hand."""
        return False

    def containers(self) -> list[dict[str, Any]]:
        """Containers that said something since the start, for the API; their state is not known."""
        return [_as_json(origin, self.name) for origin in self._containers.values()]

    def unheard(self, container: str) -> dict[str, Any] | None:
        """The row of a container that has said nothing yet; None where it would not be read."""
        name = stable_name(container)
        origin = Origin(
            type=OriginType.CONTAINER,
            name=name,
            device=self._device,
            service=name,
            container_id="",
            container=container,
            source=self.name,
        )
        return _as_json(origin, self.name) if self._choice(origin) else None

    def _gap(self, seq: int, reason: str, *, lost: int = 0) -> Line:
        """A line that says that lines were lost before Towline saw them; 0: at least one."""
        self.health.counters["gaps"] += 1
        now = time.time_ns()
        detail = json.dumps({"reason": reason, "lost": lost or 1, "exact": bool(lost)})
        return Line(
            f"lines lost before Towline saw them ({lost or 'at least 1'}): {reason}",
            time_text(now),
            now // 1_000_000,
            seq=seq,
            level="warn",
            extra=f',"gap":{detail}',
            system=True,
        )

    @property
    def _system(self) -> Origin:
        return Origin(type=OriginType.SYSTEM, name=self.name, device=self._device, source=self.name)

    def progress(self, *, final: bool = False) -> Progress:
        """The checkpoint if one is due and possible, for the store's upkeep."""
        held = self._around.held(lambda origin: origin.source == self.name)
        covered = self._emit(self._system, [])
        return self._mark.progress(covered, begun=self._parts.before, held=held, final=final)

    def rereads(self, origin: Origin) -> bool:
        """Whether it came from the journal; Towline's own words did not."""
        return origin.source == self.name and origin.type is not OriginType.SYSTEM

    def go_back(self) -> None:
        """Forget how far the journal is read: the next run finds out from what is on disk."""
        self._mark.forget()
        self._parts = Parts()


def _as_json(origin: Origin, source: str) -> dict[str, Any]:
    return {
        "id": origin.container_id,
        "name": origin.container,
        "device": origin.device,
        "origin": origin.name,
        "image": origin.image,
        "source": source,
        "serviceName": origin.service,
        "attached": True,
        "log": {"driver": "journald"},
    }
