"""The way of a line inside the process, stage by stage: CPU per line."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

from tests.bench.ground import Ground
from tests.bench.table import Table, median
from towline.config.environment import Overrides
from towline.config.pipeline import Pipeline as PipelineSettings
from towline.config.settings import Store as StoreSettings
from towline.kinds import BACKENDS, SOURCES
from towline.pipeline.pipeline import Pipeline
from towline.record import Line, Origin, OriginType, Record
from towline.runtime.configuration import Configuration, Options
from towline.sources.docker.align import Trail
from towline.sources.docker.frames import FramedRows
from towline.sources.docker.lines import Lines
from towline.store.log import Store

T = TypeVar("T")
U = TypeVar("U")
BATCHES: Final = (5, 50, 2000)
LEVELS: Final = ("INFO", "INFO", "DEBUG", "INFO", "WARN", "INFO", "INFO", "ERROR")


def text_of(number: int) -> str:
    """The line that `writer.c` writes, without its newline."""
    level = LEVELS[number % 8]
    if number % 4 == 3:
        head = f'{{"level":"{level.lower()}","msg":"order stored","order":{number},"from":"'
        return head.ljust(97, "x") + '"}'
    head = f"2026-11-21 10:00:{number % 60:02} {level} worker-{number % 7}: picture {number} "
    return (head + "converted, size=").ljust(99, "x")


def stream_of(lines: int, batch: int) -> list[bytes]:
    """What Docker sends for them, `batch` lines a piece."""
    rows = []
    for number in range(lines):
        time_ = f"2026-11-21T10:00:{number // 20_000 % 60:02}.{number * 50_000 % 10**9:09}Z"
        body = f"{time_} {text_of(number)}\n".encode()
        rows.append(bytes([1, 0, 0, 0]) + len(body).to_bytes(4, "big") + body)
    return [b"".join(rows[at : at + batch]) for at in range(0, lines, batch)]


ORIGIN: Final = Origin(
    type=OriginType.CONTAINER,
    name="web",
    device="bench",
    container_id="0123456789ab" * 5 + "cdef",
    container="shop-web-1",
    image="shop/web:3",
    source="docker",
)


class Clock:
    """CPU time of each stage, microseconds per line."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self.spent: dict[str, float] = {}

    def each(self, name: str, step: Callable[[T], U], pieces: Sequence[T]) -> list[U]:
        """Do a stage for every piece."""
        gc.collect()
        gc.freeze()  # what the benchmark itself holds must not be looked through again and again
        begun = time.process_time()
        found = [step(piece) for piece in pieces]
        self.spent[name] = (time.process_time() - begun) / self._lines * 1e6
        return found


def stages(lines: int, batch: int, folder: Path) -> dict[str, float]:
    """Every stage apart, then the same lines the whole way in one go."""
    pieces = stream_of(lines, batch)
    clock = Clock(lines)
    rows = clock.each("cut into rows", FramedRows().feed, pieces)
    clock.each("fingerprints", Trail().extend, rows)
    clock.each("rows to lines", Lines().feed, rows)
    records = _refined(clock, pieces)
    asyncio.run(_stored(clock, records, pieces, folder))
    return clock.spent


def defaults() -> PipelineSettings:
    """The steps that Towline takes without a file."""
    options = Options(file=None, environment={}, overrides=Overrides())
    return Configuration(options, SOURCES, BACKENDS).settings(None).pipeline


def _refined(clock: Clock, pieces: list[bytes]) -> list[list[Record]]:
    """The pipeline with more and more steps; each costs what it adds."""
    settings = defaults()
    steps = {
        "encode": replace(settings, parse=(), redact=()),
        "JSON and level": replace(settings, redact=()),
        "redaction": settings,
    }
    records: list[list[Record]] = []
    before = 0.0
    for name, chosen in steps.items():
        lines = _lines_of(pieces)
        if chosen.parse == ():
            for line in chain.from_iterable(lines):
                line.level = "info"
        pipeline = Pipeline(chosen)
        offset = 0

        def refine(piece: list[Line], pipeline: Pipeline = pipeline) -> list[Record]:
            nonlocal offset
            offset += len(piece)
            return pipeline.refine(ORIGIN, piece, offset - len(piece))

        records = clock.each(name, refine, lines)
        clock.spent[name], before = clock.spent[name] - before, clock.spent[name]
    return records


async def _stored(
    clock: Clock, records: list[list[Record]], pieces: list[bytes], folder: Path
) -> None:
    def append(batch: list[Record]) -> None:
        store.append(batch)
        store.flush()

    async with Store(StoreSettings(path=folder, persist=True)) as store:
        clock.each("memory and file", append, records)
    pipeline = Pipeline(defaults())
    cut, trail, joined = FramedRows(), Trail(), Lines()

    def whole(piece: bytes) -> None:
        rows = cut.feed(piece)
        lines = joined.feed(rows)
        trail.extend(rows)
        append(pipeline.refine(ORIGIN, lines, store.next_offset))

    async with Store(StoreSettings(path=folder / "whole", persist=True)) as store:
        clock.each("the whole way", whole, pieces)


def _lines_of(pieces: list[bytes]) -> list[list[Line]]:
    cut, joined = FramedRows(), Lines()
    return [joined.feed(cut.feed(piece)) for piece in pieces]


def tables(ground: Ground) -> Iterator[Table]:
    """A column per number of lines that come at once."""
    lines = max(2000, ground.size.lines // 6)
    runs: dict[int, list[dict[str, float]]] = {batch: [] for batch in BATCHES}
    for round_ in range(ground.size.rounds):
        for batch, found in runs.items():
            found.append(stages(lines, batch, ground.folder / f"way-{batch}-{round_}"))
    columns = ("stage", *(f"{batch} at once" for batch in BATCHES))
    table = Table(f"way: CPU µs per line in one process, {lines:,} lines", columns)
    for stage in runs[BATCHES[0]][0]:
        costs = [median([spent[stage] for spent in found]) for found in runs.values()]
        table.add(stage, *(f"{cost:.2f}" for cost in costs))
    table.notes += ["full files are not compressed meanwhile: the loop that would do it stands"]
    yield table
