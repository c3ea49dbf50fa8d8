"""The one door into the store: lines go through the pipeline in force and are appended."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final, Self

from towline.config.pipeline import Pipeline as PipelineSettings
from towline.pipeline.pipeline import Pipeline
from towline.ports import Source, Whose
from towline.record import Line, Origin, OriginType, time_text
from towline.status import Health
from towline.store.log import Store
from towline.store.upkeep import Ledger, Progressing

_GAP: Final = ',"gap":'


class Intake:
    """Appends what sources emit, and in time what steps hold back of it."""

    def __init__(self, store: Store, pipeline: Pipeline, device: str) -> None:
        self.store = store
        self.device = device
        self._pipeline = pipeline
        self._timer: asyncio.TimerHandle | None = None

    def emit(self, origin: Origin, lines: list[Line]) -> int:
        """Refine, encode, append; return the store's next offset."""
        for line in [line for line in lines if line.system and line.extra.startswith(_GAP)]:
            self._count(json.loads(f"{{{line.extra[1:]}}}")["gap"])
        return self._put(origin, lines)

    def _count(self, gap: dict[str, Any]) -> None:
        totals = self.store.account.totals
        totals["gaps"] += 1
        totals["lost"] += int(gap["lost"])

    def _put(self, origin: Origin, lines: list[Line]) -> int:
        store, pipeline = self.store, self._pipeline
        if lines:
            store.append(pipeline.refine(origin, lines, store.next_offset))
            if pipeline.holds and self._timer is None:
                self._wait()
        elif pipeline.holds:
            store.append(pipeline.settle(origin, store.next_offset))
        return store.next_offset

    def use(self, pipeline: Pipeline) -> None:
        """From now on lines are refined by another pipeline; the old one keeps nothing back."""
        self.release()
        self._pipeline = pipeline

    def release(self, *, everything: bool = True) -> None:
        """Append what steps hold back."""
        store = self.store
        for records in self._pipeline.release(store.next_offset, everything=everything):
            store.append(records)

    def held(self, whose: Whose) -> int:
        """The first row of some origins that is held back, or 0."""
        return self._pipeline.held(whose)

    def _wait(self) -> None:
        """Come back when something must go."""
        due = self._pipeline.due()
        if due < float("inf"):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, due - time.monotonic()), self._look)

    def _look(self) -> None:
        self._timer = None
        self.release(everything=False)
        self._wait()

    def tell(
        self,
        kind: OriginType,
        text: str,
        level: str = "info",
        *,
        name: str = "towline",
        fields: str = "",
        extra: str = "",
    ) -> None:
        """A record of Towline's own; `name` is the origin's, `fields` and `extra` are JSON."""
        now = time.time_ns()
        origin = Origin(type=kind, name=name, device=self.device)
        line = Line(text, time_text(now), now // 1_000_000, level=level, fields=fields, extra=extra)
        self._put(origin, [line])

    def tell_missed(self, backend: str, lost: int) -> None:
        """Say that records were removed before a backend had them."""
        self.store.account.totals["missed"] += lost
        reason = f"removed before the backend {backend} had them"
        detail = json.dumps({"reason": reason, "lost": lost, "exact": True, "backend": backend})
        records = "1 record" if lost == 1 else f"{lost} records"
        self.tell(OriginType.SYSTEM, f"{records} {reason}", "warn", extra=f',"gap":{detail}')


class PipelinePart:
    """The component that puts a pipeline in force."""

    def __init__(self, intake: Intake, settings: PipelineSettings) -> None:
        self._intake = intake
        self._pipeline = Pipeline(settings)
        self._health = Health()

    @property
    def health(self) -> Health:
        """Up, with the counters of the steps."""
        self._health.counters = self._pipeline.counters
        return self._health

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._health.stopped()

    async def run(self) -> None:
        """From now on lines are refined by it."""
        self._intake.use(self._pipeline)
        self._health.up()
        await asyncio.Event().wait()


class SourcePart:
    """The component that runs a source and keeps its progress.

    It can be halted and run anew, when what it emitted did not come to the disk.
    """

    def __init__(self, source: Source, intake: Intake, ledger: Ledger) -> None:
        self.source = source
        self._intake = intake
        self._ledger = ledger
        self._halted = self._anew = False
        self._run: asyncio.Task[None] | None = None
        self._going = asyncio.Event()

    @property
    def health(self) -> Health:
        """The source's own."""
        health: Health = getattr(self.source, "health")  # noqa: B009 - not part of the protocol
        return health

    async def __aenter__(self) -> Self:
        await self.source.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.source.__aexit__(None, None, None)

    async def run(self) -> None:
        """Until cancelled; then what was read is put on record before anyone reads again."""
        source, intake = self.source, self._intake
        if not isinstance(source, Progressing):
            try:
                await source.run(intake.emit)
            finally:
                intake.release()
            return
        self._ledger.join(source, self)
        try:
            await self._once()
            while self._anew:
                await self._going.wait()
                self._anew = False
                await self._once()
        finally:
            intake.release()
            await self._ledger.leave(source)

    async def _once(self) -> None:
        """Run the source until it ends, fails or is halted."""
        self._run = run = asyncio.create_task(self.source.run(self._take))
        try:
            await asyncio.wait([run])
        finally:
            run.cancel()
            await asyncio.wait([run])
        if not run.cancelled():
            run.result()

    def _take(self, origin: Origin, lines: list[Line]) -> int:
        return self._intake.emit(origin, [] if self._halted else lines)

    def release(self) -> None:
        """Append what steps hold back."""
        self._intake.release()

    def halt(self) -> None:
        """Take nothing of the source any more, and end its run."""
        self._halted = self._anew = True
        self._going.clear()
        if self._run is not None:
            self._run.cancel()

    async def halted(self) -> None:
        """Until the run has ended."""
        if self._run is not None:
            await asyncio.wait([self._run])

    def go_on(self) -> None:
        """Run the source again."""
        self._halted = False
        self._going.set()
