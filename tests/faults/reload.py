"""Reloads under load, many times over, with times: `python -m tests.faults.reload --n 200`.

A container writes 1,000 lines a second into two backends and a viewer while the file changes in
every way there is. For each way a table says how long it took from the save until the change was
in force and until the first record had come by the new route, how often it was applied, and how
many lines were lost or came twice. Exit code 1 where a line was lost, came twice where nothing had
changed, where a component was touched that should not be, or where anything was left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.bench.table import Table, quantile
from tests.integration.reload_rig import APPLIED, PATIENCE, Rig, counting
from tests.integration.reload_saves import SAVINGS, Saving
from tests.integration.test_reload_many import all_outcomes, grown, possessions
from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil

GOAL: Final = 0.7
"""Seconds from save to applied that are aimed at. Printed, not judged."""

HALF: Final = 2.0
"""Seconds for which a file stays half-written."""

Change = Callable[[Rig, str], Awaitable[None]]


@dataclass
class Result:
    """What came of one way."""

    name: str
    rounds: int = 0
    applied: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    entries: int = 0
    lines: int = 0
    touched: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)

    def row(self) -> tuple[str, ...]:
        """Its row of the table."""
        times = [f"{quantile(self.applied, part):.3f}" for part in (0.5, 0.95, 1.0)]
        return (
            self.name,
            str(self.rounds),
            str(self.entries),
            *times,
            f"{quantile(self.arrived, 0.5):.3f}",
            f"{self.lines:,}",
            "; ".join(self.faults) or "none",
        )


class Place:
    """An engine, a broker and folders for rig after rig."""

    def __init__(self, folder: Path, engine: Engine, broker: Broker) -> None:
        self.engine, self.broker = engine, broker
        self._folder = folder
        self._count = 0

    def folder(self) -> Path:
        """A folder of one's own."""
        self._count += 1
        made = self._folder / str(self._count)
        made.mkdir()
        return made

    async def run(
        self, result: Result, saving: Saving, act: Callable[[Rig, Result], Awaitable[None]]
    ) -> Result:
        """Let something happen to a rig, then let everybody count."""
        containers = Containers(self.engine.host)
        try:
            async with counting(
                self.engine, self.broker, containers, self.folder(), saving=saving
            ) as rig:
                before = rig.snapshot()
                await act(rig, result)
                try:
                    rig.untouched(before, but=result.touched)
                except AssertionError as exc:
                    result.faults.append(str(exc).splitlines()[0])
                await self._count_lines(rig, result)
        finally:
            containers.clean()
        return result

    async def _count_lines(self, rig: Rig, result: Result) -> None:
        written = await rig.end_counting()
        last, result.lines = written[-1], len(written)
        moved = ("one", "two")
        await auntil(lambda: last in rig.arrived("kept"), PATIENCE, "the untouched backend")
        await auntil(lambda: last in rig.arrived(*moved), PATIENCE, "the changed backend")
        await auntil(lambda: last in rig.viewer.numbers[-9:], PATIENCE, "the viewer")
        for who, found in (
            ("store", await rig.stored()),
            ("kept", rig.arrived("kept")),
            ("viewer", rig.viewer.numbers),
            ("moved", rig.arrived(*moved)),
        ):
            lost, twice = len(set(written) - set(found)), len(found) - len(set(found))
            if lost or twice:
                result.faults.append(f"{who}: {lost} lost, {twice} twice")


def rounds(count: int, change: Change) -> Callable[[Rig, Result], Awaitable[None]]:
    """Change the topic to and fro, so many times, and take the time."""

    async def act(rig: Rig, result: Result) -> None:
        for number in range(count):
            topic = "one" if number % 2 else "two"
            there, known = len(rig.arrived(topic)), len(times(rig))
            begun = time.time()
            await change(rig, topic)
            await auntil(lambda: len(times(rig)) > known, PATIENCE, "applied")  # noqa: B023
            result.applied.append(times(rig)[-1] / 1000 - begun)
            await auntil(lambda: len(rig.arrived(topic)) > there, PATIENCE, "arrived")  # noqa: B023
            result.arrived.append(time.time() - begun)
        result.rounds, result.entries = count, len(times(rig))
        if set(rig.outcomes()) != {APPLIED} or result.entries > count:
            result.faults.append(f"outcomes {rig.outcomes()}")

    return act


def times(rig: Rig) -> list[int]:
    """When configurations were applied, in milliseconds."""
    found = TAKEN.setdefault(id(rig), {})
    found.update({entry["at"]: None for entry in rig.entries()})
    return list(found)


TAKEN: Final[dict[int, dict[int, None]]] = {}
"""The history holds the newest entries only."""


async def save(rig: Rig, topic: str) -> None:
    """Save the file, and no more."""
    await rig.save(topic=topic)


async def hang_up(rig: Rig, topic: str) -> None:
    """Save it and send SIGHUP."""
    rig.saving.save(rig.text.but(topic=topic))
    os.kill(os.getpid(), signal.SIGHUP)


async def post(rig: Rig, topic: str) -> None:
    """Save it and ask for a reload."""
    rig.saving.save(rig.text.but(topic=topic))
    (await rig.asked("POST", "/config/reload")).raise_for_status()


async def put(rig: Rig, topic: str) -> None:
    """Put it through the API."""
    text = rig.text.but(topic=topic)
    answer = await rig.asked("PUT", "/config", content=text, headers={"If-Match": "*"})
    answer.raise_for_status()


REQUESTS: Final[Mapping[str, Change]] = {
    "SIGHUP": hang_up,
    "POST /config/reload": post,
    "PUT /config": put,
}


async def half_written(rig: Rig, result: Result, count: int) -> None:
    """Every so many a prefix of the text, open for `HALF` seconds, then whole."""
    for number in range(count):
        text = rig.text.but(topic="one" if number % 2 else "two")
        with rig.saving.file.open("w") as half:
            half.write(text[: len(text) * (number + 1) // (count + 1)])
            half.flush()
            await asyncio.sleep(HALF)
            if len(times(rig)) > number:
                result.faults.append(f"a part of {half.tell()} bytes was taken")
            half.write(text[half.tell() :])
        begun = time.time()
        await auntil(lambda: len(times(rig)) > number, PATIENCE, "applied")  # noqa: B023
        result.applied.append(times(rig)[-1] / 1000 - begun)
    result.rounds, result.entries = count, len(times(rig))


async def many_edits(rig: Rig, result: Result) -> None:
    """200 edits in ten seconds."""
    for number in range(200):
        await rig.save(topic="one" if number % 2 else "two", more=f"# edit {number}\n")
        await asyncio.sleep(0.05)
    begun = time.time()
    await rig.save(topic="two", more="# the last\n")
    await rig.flowing("two")
    result.rounds, result.entries = 200, len(rig.entries())
    result.applied.append(rig.entries()[-1]["at"] / 1000 - begun)
    if result.entries > 20:
        result.faults.append(f"{result.entries} applied")


async def soak(rig: Rig, result: Result, count: int) -> None:
    """Valid and invalid texts in turn; what is held stays the same."""
    result.touched = ("brokers.other", "pipeline")
    await all_outcomes(rig)
    await rig.flowing("kept")
    owned, memory = possessions(), resident()
    while result.rounds < count:
        await all_outcomes(rig)
        result.rounds += 6
    await rig.flowing("kept")
    more = grown(owned, possessions())
    if more:
        result.faults.append(f"left behind: {more}")
    print(f"resident memory: {memory:.1f} → {resident():.1f} MB after {result.rounds} reloads")


def resident() -> float:
    """This process's memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def run(place: Place, count: int, names: list[str]) -> list[Result]:
    """Everything, or what is named."""
    plan: list[tuple[str, Saving, Callable[[Rig, Result], Awaitable[None]]]] = [
        *((name, kind(), rounds(count, save)) for name, kind in SAVINGS.items()),
        *((name, Saving(), rounds(count, change)) for name, change in REQUESTS.items()),
        ("half-written", Saving(), lambda rig, result: half_written(rig, result, count)),
        ("200 edits in 10 s", Saving(), many_edits),
        ("valid and invalid", Saving(), lambda rig, result: soak(rig, result, count * 3 // 2)),
    ]
    results = []
    for name, saving, act in plan:
        if not names or any(part in name for part in names):
            print(f"· {name} …", flush=True)
            result = Result(name)
            results.append(result)
            try:
                await place.run(result, saving, act)
            except Exception as exc:
                result.faults.append(repr(exc))
    return results


def main() -> int:
    """Run it, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--n", type=int, default=200, help="how many changes in each way")
    parser.add_argument("names", nargs="*", help="these ways only (parts of their names)")
    given = parser.parse_args()
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="towline-reload-") as folder:
        base = Path(folder)
        with Engine(base / "engine") as engine, Broker(base / "broker") as broker:
            engine.image()
            results = asyncio.run(run(Place(base, engine, broker), given.n, given.names))
    columns = ("way", "changes", "applied", "p50", "p95", "max", "arrived", "lines", "faults")
    table = Table("From save to in force, in seconds, at 1,000 lines/s", columns)
    for result in results:
        table.add(*result.row())
    table.notes.append(f"`arrived`: the first record by the new route, p50. Goal: {GOAL} s.")
    print(f"\n{table}")
    failed = sum(bool(result.faults) for result in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
