"""The one door into the store: lines go through the pipeline in force and are appended."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final, Self

from towline.config.settings import Pipeline as PipelineSettings
from towline.pipeline.pipeline import Pipeline
from towline.ports import Emit, Source
from towline.record import Line, Origin, OriginType, time_text
from towline.status import Health
from towline.store.log import Store
from towline.store.upkeep import Ledger, Progressing

_GAP: Final = ',"gap":'


class Intake:
    """Appends what sources emit. `pipeline` is swapped at a reload, between two batches."""

    def __init__(self, store: Store, pipeline: Pipeline, device: str) -> None:
        self.store = store
        self.pipeline = pipeline
        self.device = device

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
        store = self.store
        if lines:
            store.append(self.pipeline.refine(origin, lines, store.next_offset))
        return store.next_offset

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
        self._intake.pipeline = self._pipeline
        self._health.up()
        await asyncio.Event().wait()


class SourcePart:
    """The component that runs a source and keeps its progress."""

    def __init__(self, source: Source, emit: Emit, ledger: Ledger) -> None:
        self.source = source
        self._emit = emit
        self._ledger = ledger

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
        if not isinstance(self.source, Progressing):
            await self.source.run(self._emit)
            return
        self._ledger.join(self.source)
        try:
            await self.source.run(self._emit)
        finally:
            await self._ledger.leave(self.source)
