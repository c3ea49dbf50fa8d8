from __future__ import annotations

import asyncio
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import pytest

from tests.contract.sources import SOURCES, Spring
from tests.real.until import auntil
from towline.ports import Source
from towline.record import Line, Origin, OriginType
from towline.status import Health, Reports, State

pytestmark = pytest.mark.docker


class Taken:
    """What a source handed over, by origin."""

    def __init__(self) -> None:
        self.lines: dict[str, list[Line]] = defaultdict(list)
        self.origins: list[Origin] = []
        self._count = 0

    def emit(self, origin: Origin, lines: list[Line]) -> int:
        if origin.type in (OriginType.CONTAINER, OriginType.HOST):
            self.origins.append(origin)
            self.lines[origin.key] += lines
        self._count += len(lines)
        return self._count

    def has(self, count: int) -> bool:
        """Whether two origins wrote so many lines each."""
        return len(self.lines) == 2 and all(len(lines) >= count for lines in self.lines.values())


@pytest.fixture(scope="module", params=SOURCES)
def spring(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Spring]:
    with SOURCES[request.param](tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


def left() -> tuple[int, int, int]:
    """Tasks, threads and open files of this process."""
    return len(asyncio.all_tasks()), threading.active_count(), len(os.listdir("/proc/self/fd"))


def health(source: Source) -> Health:
    """How a source says it is."""
    assert isinstance(source, Reports)
    found: Health = source.health
    return found


def are_numbered(lines: list[Line], spring: Spring) -> bool:
    """Whether numbers grow, by one where the spring counts."""
    seqs = [line.seq for line in lines]
    steps = {after - before for before, after in pairwise(seqs)}
    return steps == {1} if spring.counts else min(steps) > 0


async def run(source: Source, taken: Taken) -> asyncio.Task[None]:
    """Run an entered source."""
    task = asyncio.create_task(source.run(taken.emit))
    await asyncio.sleep(0)
    return task


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_lines_come_in_order_and_numbered_per_origin(spring: Spring) -> None:
    taken = Taken()
    async with spring.source() as source:
        task = await run(source, taken)
        await auntil(lambda: taken.has(100), 20)
        await end(task)
    for lines in taken.lines.values():
        assert are_numbered(lines, spring)
        assert {line.stderr for line in lines} == spring.streams
        for stderr in spring.streams:
            numbers = [int(line.text) for line in lines if line.stderr == stderr]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        for line in lines:
            assert line.time.endswith("Z")
            assert len(line.time) == len("2026-01-01T00:00:00.000000000Z")
            assert "\n" not in line.text
    for origin in taken.origins:
        assert origin.device == "pi"
        assert origin.container_id or origin.type == OriginType.HOST
        assert origin.service


async def test_entering_does_not_wait_for_a_remote_that_is_down(spring: Spring) -> None:
    taken = Taken()
    async with asyncio.timeout(5):
        async with spring.away() as source:
            task = await run(source, taken)
            told = health(source)
            await auntil(lambda: told.counters or told.state == State.DEGRADED)
            assert not task.done()
            await end(task)
    assert not any(taken.lines.values())


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 20, 100, 400])
async def test_cancelled_at_any_time_it_leaves_nothing_running(spring: Spring, steps: int) -> None:
    async with spring.source() as source:  # what a first use brings, such as imports, stays
        task = await run(source, Taken())
        await end(task)
    await asyncio.sleep(0)
    before = left()
    async with spring.source() as source:
        task = await run(source, Taken())
        for _ in range(steps):
            await asyncio.sleep(0)
        await end(task)
    await auntil(lambda: left() <= before, what="what is left running")
    assert left() <= before


async def test_leaving_without_having_run_is_safe(spring: Spring) -> None:
    source = spring.source()
    await source.__aenter__()
    await source.__aexit__(None, None, None)
    await source.__aexit__(None, None, None)


async def test_what_has_run_reports_itself_stopped(spring: Spring) -> None:
    taken = Taken()
    async with spring.source() as source:
        task = await run(source, taken)
        await auntil(lambda: health(source).state == State.UP)
        await end(task)
    assert health(source).state == State.STOPPED


async def test_a_slow_taker_gets_every_line_all_the_same(spring: Spring) -> None:
    """A source never waits for the one that takes: it reads on, later and more at a time."""
    taken = Taken()

    def slow(origin: Origin, lines: list[Line]) -> int:
        for _ in range(20_000 * bool(lines)):
            pass
        return taken.emit(origin, lines)

    async with spring.source() as source:
        task = asyncio.create_task(source.run(slow))
        await auntil(lambda: taken.has(150), 20)
        await end(task)
    for lines in taken.lines.values():
        assert are_numbered(lines, spring)
