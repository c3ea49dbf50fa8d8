"""From the start of the process to an answer of its API, and to the first line of a container."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.ground import Ground
from tests.bench.running import Running
from tests.bench.table import Table, median
from tests.real.until import until

PAUSE = 0.002


def tables(ground: Ground) -> Iterator[Table]:
    """Medians of several starts, each in a folder of its own."""
    served: list[float] = []
    stored: list[float] = []
    spent: list[float] = []
    ground.write(10)
    try:
        with Running(ground, "startup-first"):  # what is compiled now is there for the others
            pass
        for number in range(ground.size.starts):
            towline = Running(ground, f"startup-{number}").launch()
            try:
                until(towline.healthy, 30, pause=PAUSE)
                served.append(_since(towline))
                until(lambda: b'"containerId"' in towline.newest(), 30, pause=PAUSE)  # noqa: B023
                stored.append(_since(towline))
                spent.append(towline.cpu)
            finally:
                towline.process.stop()
    finally:
        ground.remove_containers()
    table = Table(f"startup: seconds, {ground.size.starts} starts", ("until", "median", "most"))
    table.add("the API answers", f"{median(served):.2f}", f"{max(served):.2f}")
    table.add("first line of a container stored", f"{median(stored):.2f}", f"{max(stored):.2f}")
    table.add("CPU until then", f"{median(spent):.2f}", f"{max(spent):.2f}")
    table.notes += ["aims: API 0.4 s, first record 0.8 s"]
    yield table


def _since(towline: Running) -> float:
    return (time.time_ns() - towline.started_ns) / 1e9
