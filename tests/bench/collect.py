"""From Docker to files and memory, the whole way, against a bare reader of the same stream."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from tests.bench.bare import Bare, reading
from tests.bench.ground import UNREAD, Ground
from tests.bench.running import BATCHES, Running
from tests.bench.table import Table, median, thousands
from tests.bench.usage import cpu_seconds
from tests.real.until import until

PAUSE = 0.002
HEAD_START_MS = 1500
"""A flood begins so long after its container: by then it is followed."""


@dataclass(frozen=True, slots=True)
class Run:
    """One reader's run: lines/s, and CPU microseconds per line of the reader and of dockerd.

    `arrived` is lines/s until the broker had the last one, where there is a broker.
    """

    rate: float
    cpu: float
    daemon: float
    arrived: float = 0.0


class Collect:
    """Runs the readers in turn, so that a slow minute of the machine hits all of them."""

    def __init__(self, ground: Ground, idle: Running, sending: Running, direct: Running) -> None:
        self._ground = ground
        self._bare = Bare(ground)
        self._lines = ground.size.lines
        self._towlines = {
            "towline, API": idle,
            "towline, API + MQTT batches": sending,
            "towline, json files": direct,
        }

    def table(self, title: str, round_: Callable[[], dict[str, Run]]) -> Table:
        """Medians of several rounds."""
        runs: dict[str, list[Run]] = defaultdict(list)
        ratios: dict[str, list[float]] = defaultdict(list)
        for _ in range(self._ground.size.rounds):
            found = round_()
            bare = next(iter(found.values()))
            for name, run in found.items():
                runs[name].append(run)
                ratios[name].append(run.rate / bare.rate)
        columns = ("reader", "lines/s", "of bare", "CPU µs/line", "dockerd µs/line", "at broker/s")
        table = Table(f"collect: {title}, {thousands(self._lines)} lines of 100 bytes", columns)
        for name, many in runs.items():
            arrived = median([run.arrived for run in many])
            table.add(
                name,
                thousands(median([run.rate for run in many])),
                f"{median(ratios[name]):.2f}",
                f"{median([run.cpu for run in many]):.2f}",
                f"{median([run.daemon for run in many]):.2f}",
                thousands(arrived) if arrived else "",
            )
        return table

    def back(self) -> dict[str, Run]:
        """Read one container's log from its beginning, once by each reader."""
        lines, ground = self._lines, self._ground
        container = ground.write(lines, UNREAD)
        ground.containers.wait(container)
        before = cpu_seconds(ground.engine.pid)
        found = self._bare.read(container, "follow=1&tail=all", lines)
        daemon = cpu_seconds(ground.engine.pid) - before
        runs = {self._name: self._run(found.seconds, found.cpu, daemon)}
        for name, towline in self._towlines.items():
            runs[name] = self._attached(towline, container, 0)
        ground.remove_containers()
        return runs

    def flood(self) -> dict[str, Run]:
        """Follow a container that writes flat out, a container for each reader."""
        lines, ground = self._lines, self._ground
        container = ground.write(lines, UNREAD, delay_ms=HEAD_START_MS)
        before = cpu_seconds(ground.engine.pid)
        found = reading(self._bare.start(container, "follow=1&tail=all", lines))
        daemon = cpu_seconds(ground.engine.pid) - before
        seconds = (found.ended_ns - found.first_ns) / 1e9
        runs = {self._name: self._run(seconds, found.cpu, daemon)}
        ground.remove_containers()
        for name, towline in self._towlines.items():
            container = ground.write(lines, UNREAD, delay_ms=HEAD_START_MS)
            runs[name] = self._attached(towline, container, 1)
            ground.remove_containers()
        return runs

    @property
    def _name(self) -> str:
        return f"bare {self._bare.kind} reader"

    def _run(self, seconds: float, cpu: float, daemon: float, arrived: float = 0.0) -> Run:
        lines = self._lines
        late = lines / arrived if arrived else 0.0
        return Run(lines / seconds, cpu / lines * 1e6, daemon / lines * 1e6, late)

    def _attached(self, towline: Running, container: str, live: int) -> Run:
        """Let a Towline read a container; time counts from its request, or from the first row."""
        daemon_pid = self._ground.engine.pid
        goal = towline.next_offset() + self._lines
        cpu, daemon, begun = towline.cpu, cpu_seconds(daemon_pid), time.time_ns()
        towline.attach(container)
        until(lambda: towline.next_offset() >= goal, 300, "all lines in files", pause=PAUSE)
        ended = time.time_ns()
        cpu, daemon = towline.cpu - cpu, cpu_seconds(daemon_pid) - daemon
        arrived = 0.0
        if towline.cursor():
            until(lambda: towline.cursor() >= goal, 300, "all lines at the broker", pause=PAUSE)
            arrived = time.time_ns()
        if live:
            begun = self._bare.read(container, "tail=all", 1).first_ns
        return self._run((ended - begun) / 1e9, cpu, daemon, max(0.0, (arrived - begun) / 1e9))


def tables(ground: Ground) -> Iterator[Table]:
    """Read back, then a live flood."""
    with ExitStack() as stack:
        idle = stack.enter_context(Running(ground, "collect-idle", read="api"))
        sending = stack.enter_context(Running(ground, "collect-mqtt", BATCHES, read="api"))
        direct = stack.enter_context(Running(ground, "collect-direct", read="files"))
        collect = Collect(ground, idle, sending, direct)
        stack.callback(ground.remove_containers)
        yield collect.table("read back of one container", collect.back)
        table = collect.table("live flood of one container", collect.flood)
        table.notes += ["aims: 0.90 of bare for read back, 0.95 for a flood"]
        yield table
