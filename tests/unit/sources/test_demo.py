"""The demo source, over its real child processes."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from tests.real.process import alive
from tests.real.until import auntil
from towline.config.settings import Device
from towline.record import Line, Origin, OriginType
from towline.sources.demo import KIND, PROGRAMS, Demo, DemoSource
from towline.status import State

DEVICE = Device(id="pi", name="Pi")


class Taken:
    """Everything that was emitted, by container name."""

    def __init__(self) -> None:
        self.lines: defaultdict[str, list[Line]] = defaultdict(list)
        self.origins: list[Origin] = []

    def __call__(self, origin: Origin, lines: list[Line]) -> int:
        if origin not in self.origins:
            self.origins.append(origin)
        self.lines[origin.name] += lines
        return sum(map(len, self.lines.values()))


@asynccontextmanager
async def running(
    programs: Mapping[str, str], interval: float = 0.01
) -> AsyncIterator[tuple[DemoSource, Taken]]:
    """The source, reading until the block ends."""
    taken = Taken()
    async with DemoSource(
        "demo", Demo(interval=interval), DEVICE, programs=programs, grace=0.2
    ) as source:
        task = asyncio.create_task(source.run(taken))
        try:
            yield source, taken
        finally:
            task.cancel()
            await asyncio.wait([task])
    assert task.cancelled()


async def test_every_service_logs_under_its_container_name() -> None:
    async with running(PROGRAMS) as (source, taken):
        names = {"demo-web", "demo-api", "demo-worker"}
        await auntil(lambda: names == set(taken.lines))
        assert source.health.state == State.UP
    for origin in taken.origins:
        assert (origin.type, origin.device, origin.source) == (OriginType.CONTAINER, "pi", "demo")
        assert origin.container == origin.name == f"demo-{origin.service}"


async def test_api_prints_json_and_a_line_longer_than_dockers_16_kib() -> None:
    async with running({"api": PROGRAMS["api"]}, interval=0.0001) as (_, taken):
        rows = taken.lines["demo-api"]
        long = await auntil(lambda: [row for row in rows if len(row.text) > 16384])
        assert long
    assert json.loads(rows[0].text).keys() == {"level", "msg", "order", "ms"}


async def test_worker_prints_a_trace_to_stderr_in_one_piece() -> None:
    async with running({"worker": PROGRAMS["worker"]}, interval=0.0001) as (_, taken):
        rows = taken.lines["demo-worker"]
        await auntil(lambda: any(row.text.startswith("ValueError: ") for row in rows))
    texts = [row.text for row in rows]
    start = texts.index("Traceback (most recent call last):")
    end = next(n for n, text in enumerate(texts) if text.startswith("ValueError: "))
    assert all(text.startswith(" ") for text in texts[start + 1 : end])
    assert all(row.stderr for row in rows[start : end + 1])


async def test_rows_of_both_streams_are_counted_together_and_keep_their_bytes() -> None:
    script = "import os; os.write(1, b'a \\xff\\r\\n\\n'); os.write(2, b'no newline')"
    async with running({"x": script}, interval=60) as (source, taken):
        await auntil(lambda: source.health.counters["restarts"])
    rows = taken.lines["demo-x"]
    assert sorted(row.seq for row in rows) == [1, 2, 3]
    assert [row.text for row in rows if not row.stderr] == ["a \ufffd\r", ""]
    assert [row.text for row in rows if row.stderr] == ["no newline"]


async def test_a_program_that_ends_starts_again_as_a_new_incarnation() -> None:
    async with running({"x": "print('hello')"}) as (_, taken):
        await auntil(lambda: len(taken.lines["demo-x"]) >= 2)
    first, second = taken.origins[:2]
    assert first.key == second.key
    assert first.container_id != second.container_id
    assert [row.seq for row in taken.lines["demo-x"][:2]] == [1, 1]


@pytest.mark.parametrize("deaf", [False, True])
async def test_cancelling_leaves_no_process(deaf: bool) -> None:
    ears = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" if deaf else ""
    script = f"import os, signal, time; {ears} print(os.getpid()); time.sleep(600)"
    async with running({"x": script}) as (_, taken):
        await auntil(lambda: taken.lines["demo-x"])
        pid = int(taken.lines["demo-x"][0].text)
        assert alive(pid)
    await auntil(lambda: not alive(pid))


def test_a_line_is_about_a_second_unless_the_configuration_says_otherwise() -> None:
    assert KIND.config(**KIND.schema({})) == Demo(interval=1)
    assert KIND.config(**KIND.schema({"interval": "200ms"})) == Demo(interval=0.2)
