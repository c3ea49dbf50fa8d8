"""What the benchmarks stand on: a Docker Engine, a broker and two small C programs."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine

HERE: Final = Path(__file__).parent
IMAGE: Final = "towline-bench:1"
UNREAD: Final = "--label=towline.enable=false"
"""Keeps Towline from reading a container before it is told to."""

_numbers = itertools.count(1)


class Unavailable(Exception):
    """This machine lacks what a benchmark needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done, and how often; `seconds` are those of a steady load."""

    lines: int = 300_000
    records: int = 1_000_000
    rounds: int = 3
    seconds: float = 15.0
    containers: int = 50
    starts: int = 7


QUICK: Final = Size(lines=100_000, records=200_000, rounds=1, seconds=4.0, containers=10, starts=3)


@dataclass
class Ground:
    """Starts each part when it is first asked for; `engine_` and `broker_` are taken if given."""

    folder: Path
    size: Size
    stack: ExitStack
    engine_: Engine | None = None
    broker_: Broker | None = None
    _ran: list[str] = field(default_factory=list)

    @cached_property
    def engine(self) -> Engine:
        """A running engine."""
        return self.engine_ or self.stack.enter_context(Engine(self.folder / "engine"))

    @cached_property
    def broker(self) -> Broker:
        """A running broker, which does not hold small packets back."""
        found = Broker(self.folder / "broker", options=["set_tcp_nodelay true"])
        return self.broker_ or self.stack.enter_context(found)

    @cached_property
    def containers(self) -> Containers:
        """The `docker` command."""
        return Containers(self.engine.host)

    def program(self, name: str, *options: str) -> Path:
        """A C program of this folder, compiled; `Unavailable` without a compiler."""
        target = self.folder / name
        if not target.exists():
            compiler = shutil.which("gcc") or shutil.which("cc")
            if compiler is None:
                raise Unavailable("needs gcc: apt-get install gcc libc6-dev")
            source = str(HERE / f"{name}.c")
            command = [compiler, "-O2", "-D_GNU_SOURCE", *options, source, "-o", str(target)]
            subprocess.run(command, check=True)
        return target

    @cached_property
    def image(self) -> str:
        """An image that holds the writer and nothing else."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(self.program("writer", "-static"), "writer")
        subprocess.run(
            ["docker", "-H", self.engine.host, "import", "-", IMAGE],
            input=buffer.getvalue(),
            capture_output=True,
            check=True,
        )
        return IMAGE

    def write(
        self,
        count: int,
        *options: str,
        rate: int = 0,
        burst_ms: int = 5,
        delay_ms: int = 0,
        stamped: bool = False,
    ) -> str:
        """Start a container that writes, see `writer.c`; return its id."""
        name = f"towline-bench-{os.getpid()}-{next(_numbers)}"
        words = [count, rate, burst_ms, delay_ms, int(stamped)]
        self._ran.append(name)
        return self.containers.cli(
            "run",
            "--detach",
            f"--name={name}",
            "--network=none",
            "--log-driver=json-file",
            *options,
            self.image,
            "/writer",
            *map(str, words),
        ).strip()

    def write_many(self, count: int, *options: str, rate: int, burst_ms: int = 5) -> list[str]:
        """Start containers that write for ever; several at a time, as each takes its while."""
        _ = self.image  # made before there are threads that all want it

        def start(_: int) -> str:
            return self.write(0, *options, rate=rate, burst_ms=burst_ms)

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(start, range(count)))

    def remove_containers(self) -> None:
        """Remove all that were started here."""
        ran, self._ran = self._ran, []
        if ran:
            self.containers.remove(*ran)
