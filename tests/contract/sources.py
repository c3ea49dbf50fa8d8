"""Every source with the real thing it is tested against."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

import towline.sources
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.journal import Journal
from tests.real.process import Process
from tests.real.until import until
from towline.config.kinds import Surroundings
from towline.config.settings import Device, Match
from towline.ports import Source
from towline.sources.demo import Demo, DemoSource
from towline.sources.docker.choice import DockerConfig
from towline.sources.docker.source import DockerSource
from towline.sources.journald.choice import JournaldConfig
from towline.sources.journald.source import JournaldSource
from towline.store.checkpoints import Checkpoints

COUNTING = "i=0; while true; do i=$((i+1)); echo $i; echo $i >&2; usleep 2000; done"
PROGRAM = """
import itertools, sys, time
for number in itertools.count(1):
    print(number)
    print(number, file=sys.stderr)
    time.sleep(0.002)
"""
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BOTH = frozenset({False, True})
DEVICE = Device(id="pi", name="Pi")


class Spring(Protocol):
    """Where lines come from, under the tests' control: two origins that count on each stream.

    `counts`: whether each line's number is one more than that of the line before. `streams`:
    stdout, and stderr where there is one.
    """

    counts: bool
    streams: frozenset[bool]

    def source(self) -> Source:
        """A source that reads it."""

    def away(self) -> Source:
        """A source of the same kind whose remote is down."""


class DockerSpring:
    """Containers on a real engine."""

    counts = True
    streams = BOTH

    def __init__(self, host: str, read: str) -> None:
        self._host = host
        self._read = read

    def source(self) -> Source:
        return self._source(self._host)

    def away(self) -> Source:
        return self._source("unix:///nowhere/docker.sock")

    def _source(self, url: str) -> Source:
        match = Match(name=("spring-*",))
        config = DockerConfig(url=url, read=self._read, include=(match,), exclude=())
        around = Surroundings(
            device=DEVICE, lookup=lambda key: None, checkpoints=Checkpoints(None), max_age=3600
        )
        return DockerSource("docker", config, around, own=())


class JournalSpring:
    """The same containers, read from the machine's journal."""

    counts = False
    streams = BOTH

    def source(self) -> Source:
        return self._source("")

    def away(self) -> Source:
        return self._source("/nowhere")

    def _source(self, path: str) -> Source:
        match = Match(name=("journalled-*",))
        config = JournaldConfig(
            path=path, units=(), kernel=False, containers=True, include=(match,), exclude=()
        )
        around = Surroundings(
            device=DEVICE, lookup=lambda key: None, checkpoints=Checkpoints(None), max_age=1
        )
        return JournaldSource("journal", config, around)


class DemoSpring:
    """Child processes."""

    counts = True
    streams = BOTH

    def source(self) -> Source:
        programs = {"one": PROGRAM, "two": PROGRAM}
        return DemoSource("demo", Demo(interval=0.1), DEVICE, programs=programs)

    def away(self) -> Source:
        return DemoSource("demo", Demo(interval=0.1), DEVICE, programs={"none": "pass"})


class FileSpring:
    """Text files that somebody writes to: the source of docs/adding-a-source.md."""

    counts = True
    streams = frozenset({False})

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def source(self) -> Source:
        return self._source("*.log")

    def away(self) -> Source:
        return self._source("none/*.log")

    def _source(self, pattern: str) -> Source:
        filetail = filetail_example()
        kind = filetail.KIND
        config = kind.config(**kind.schema({"files": [str(self._folder / pattern)]}))
        around = Surroundings(
            device=DEVICE, lookup=lambda key: None, checkpoints=Checkpoints(None), max_age=1
        )
        found: Source = kind.open("files", config, around)
        return found


def filetail_example() -> ModuleType:
    """The example of the documentation, where a source stands."""
    if (folder := str(EXAMPLES)) not in towline.sources.__path__:
        towline.sources.__path__.append(folder)
    return import_module("towline.sources.filetail")


@contextmanager
def _files(folder: Path) -> Iterator[Spring]:
    program = """
import itertools, pathlib, sys, time
files = [(pathlib.Path(sys.argv[1]) / name).open("a") for name in ("one.log", "two.log")]
for number in itertools.count(1):
    for file in files:
        print(number, file=file, flush=True)
    time.sleep(0.002)
"""
    process = Process([sys.executable, "-c", program, str(folder)], None)
    process.start()
    try:
        until(lambda: (folder / "two.log").exists())
        yield FileSpring(folder)
    finally:
        process.stop()


@contextmanager
def _docker(folder: Path, read: str) -> Iterator[Spring]:
    with Engine(folder / "engine") as engine:
        engine.image()
        containers = Containers(engine.host)
        for name in ("spring-one", "spring-two"):
            containers.run(COUNTING, name=name)
        yield DockerSpring(engine.host, read)


@contextmanager
def _journald(folder: Path) -> Iterator[Spring]:
    with Journal(folder), Engine(folder / "engine", log_driver="journald") as engine:
        engine.image()
        containers = Containers(engine.host)
        for name in ("journalled-one", "journalled-two"):
            containers.run(COUNTING.replace("2000", "20000"), name=name)
        yield JournalSpring()


@contextmanager
def _demo(folder: Path) -> Iterator[Spring]:
    yield DemoSpring()


SOURCES: dict[str, Callable[[Path], AbstractContextManager[Spring]]] = {
    "docker": partial(_docker, read="api"),
    "docker files": partial(_docker, read="files"),
    "journald": _journald,
    "demo": _demo,
    "the documented example": _files,
}
