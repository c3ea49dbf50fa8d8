"""Queries over a big store through the HTTP API, and what storing costs: CPU, disk, memory.

The store is filled through `Store.append` with records that are encoded beforehand. A child then
serves it as `towline run` does, and is asked over its real API.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.bench.ground import Ground
from tests.bench.running import CLEAN
from tests.bench.table import Table, median, quantile, thousands
from tests.bench.usage import memory, peak
from tests.bench.way import text_of
from tests.real.broker import free_port
from tests.real.process import Process
from tests.real.until import until
from towline.config.settings import Store as StoreSettings
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, Record, time_text
from towline.store.log import Store

SERVICES: Final = 20
RARE: Final = "rarely"
"""One more service, which wrote three hundred records near the beginning, and none since."""

_BATCH: Final = 100
_STEP_MS: Final = 36
_LEVELS: Final = ("info",) * 14 + ("debug",) * 3 + ("warn",) * 2 + ("error",)


def _origin(name: str) -> Origin:
    return Origin(type=OriginType.CONTAINER, name=name, device="bench", service=name)


class Lines:
    """Lines of a hundred bytes, a quarter of them JSON, as in the other benchmarks."""

    def __init__(self, begin_ms: int) -> None:
        self._dice = random.Random(4)
        self._ms = begin_ms
        self.number = 0

    def batch(self, count: int) -> list[Line]:
        """Some more of them."""
        return [self._line() for _ in range(count)]

    def _line(self) -> Line:
        number = self.number
        self.number += 1
        self._ms += _STEP_MS
        text = text_of(number)
        when = time_text(self._ms * 1_000_000 + number % 1_000_000)
        return Line(text, when, self._ms, level=self._dice.choice(_LEVELS), seq=number + 1)


@dataclass
class Filled:
    """What filling a store has shown. `seconds` of CPU are those of `append` and the loop alone."""

    records: int = 0
    text: int = 0
    lines: int = 0
    seconds: float = 0.0
    disk: int = 0
    span_ms: tuple[int, int] = (0, 0)
    sizes: list[int] = field(default_factory=list)


async def fill(folder: Path, count: int, batch: int = _BATCH) -> Filled:
    """Fill a store with `count` records that end now."""
    found = Filled()
    begin = round(time.time() * 1000) - count * _STEP_MS
    lines, dice = Lines(begin), random.Random(5)
    origins = [_origin(f"service-{number:02}") for number in range(SERVICES)]
    async with Store(StoreSettings(path=folder, persist=True)) as store:
        while found.records < count:
            made: list[list[Record]] = []
            offset = store.next_offset
            for _ in range(50):
                rare = found.records // 5000 == 1 and len(made) < 3
                origin = _origin(RARE) if rare else dice.choice(origins)
                records = encode(template_of(origin), lines.batch(batch), offset)
                offset += batch
                made.append(records)
            gc.collect()
            gc.freeze()  # what the benchmark holds must not be looked through again and again
            begun = time.thread_time()
            for records in made:
                store.append(records)
                await asyncio.sleep(0)
            found.seconds += time.thread_time() - begun
            found.records += 50 * batch
            found.text += sum(len(each.json) + 1 for records in made for each in records)
            found.lines += sum(len(each.message) for records in made for each in records)
        store.flush()
        await store.files.settle()
        closed = [each for each in store.segments if each.path.suffix != ".ndjson"]
        found.sizes = [sum(each.size for each in closed), sum(each.facts.count for each in closed)]
        found.span_ms = begin, round(time.time() * 1000)
    return found


class Served:
    """A Towline that serves a store and collects nothing."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.port = free_port()
        config = folder / "queries.yaml"
        config.write_text(  # nothing is collected, nothing removed
            "version: 1\nsources: {}\nstore: {retention: {max_age: 365d, max_size: 99GB}}\n"
        )
        options = ["--config", str(config), "--data", str(data)]
        options += ["--listen", f"127.0.0.1:{self.port}", "--log-level", "warning"]
        command = [sys.executable, "-m", "towline", "run", *options]
        env = dict.fromkeys(CLEAN, "")
        self.process = Process(command, folder / "queries.log", env=env)

    def __enter__(self) -> Served:
        self.process.start()
        until(lambda: not self.process.running or self._answers(), 120)
        if not self.process.running:
            raise RuntimeError(f"Towline did not start:\n{self.process.tail()}")
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        try:
            return self.ask("health")[1] == http.HTTPStatus.OK
        except OSError:
            return False

    def ask(self, path: str, **parameters: Any) -> tuple[float, int, bytes]:
        """Seconds, status and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
        begun = time.perf_counter()
        try:
            connection.request("GET", f"/api/v1/{path}{query}")
            answer = connection.getresponse()
            body = answer.read()
            return time.perf_counter() - begun, answer.status, body
        finally:
            connection.close()


def _questions(filled: Filled) -> dict[str, tuple[str, dict[str, Any]]]:
    begin, end = filled.span_ms
    middle = (begin + end) // 2
    hour = {"since": middle, "until": min(middle + 3_600_000, end)}
    return {
        "last 100": ("logs", {}),
        "last 100 of a service": ("logs", {"serviceName": "service-07"}),
        "last 100 of a service silent for long": ("logs", {"serviceName": RARE}),
        "errors of an hour, first 100": ("logs", {"level": "error", **hour}),
        "errors of an hour, all": ("logs", {"level": "error", "limit": 10_000, **hour}),
        "errors of an hour, counted": ("logs/count", {"level": "error", **hour}),
        "a service's errors of an hour, counted": (
            "logs/count",
            {"level": "error", "serviceName": "service-07", **hour},
        ),
        "all, counted per hour": (
            "logs/histogram",
            {"since": begin, "until": end, "bucket": "1h"},
        ),
        "substring, nowhere": ("logs", {"text": "zebra crossing"}),
        "substring with a capital, nowhere": ("logs", {"text": "Zebra crossing"}),
        "substring, once": ("logs", {"text": f"picture {filled.records // 8 * 4 + 1} "}),
        "substring, everywhere": ("logs", {"text": "picture"}),
        "regex, nowhere": ("logs", {"regex": r"zebra \d+ crossed"}),
        "regex without a literal to begin with, nowhere": ("logs", {"regex": r"\d+ (zebra|lion)s"}),
        "regex, any case, nowhere": ("logs", {"regex": r"(?i)zebra.*crossed"}),
        "regex of numbers, nowhere": ("logs", {"regex": r"\d{12}"}),
        "regex, once": ("logs", {"regex": rf"picture {filled.records // 8 * 4 + 1} "}),
    }


def tables(ground: Ground) -> Iterator[Table]:
    """Fill a store, serve it, ask."""
    data = ground.folder / "queries"
    filled = asyncio.run(fill(data, ground.size.records))
    gc.unfreeze()
    yield _stored(filled)
    with Served(ground.folder, data) as served:
        yield _answered(filled, served, ground.size.rounds)


def _stored(filled: Filled) -> Table:
    disk, closed = filled.sizes
    table = Table("storing", ("what", "measured"))
    table.add("records", thousands(filled.records))
    table.add("bytes of a line", f"{filled.lines / filled.records:.0f}")
    table.add("bytes of a row", f"{filled.text / filled.records:.0f}")
    table.add("bytes on disk per line, closed files", f"{disk / max(closed, 1):.1f}")
    table.add("append, records a second of CPU", thousands(filled.records / filled.seconds))
    return table


def _answered(filled: Filled, served: Served, rounds: int) -> Table:
    title = f"queries over {thousands(filled.records)} records, through the API"
    table = Table(title, ("query", "found", "first ms", "median ms"))
    for name, (path, parameters) in _questions(filled).items():
        spent = []
        for _ in range(rounds + 1):
            seconds, status, body = served.ask(path, **parameters)
            spent.append(seconds * 1000)
        found = _found(json.loads(body)) if status == http.HTTPStatus.OK else str(status)
        table.add(name, found, f"{spent[0]:.1f}", f"{median(spent[1:]):.1f}")
    table.notes.append(_beside(served))
    assert served.process.pid is not None
    pid = served.process.pid
    table.notes.append(f"memory: {memory(pid).rss:.0f} MB now, {peak(pid):.0f} MB at most")
    return table


def _found(answer: dict[str, Any]) -> str:
    if "buckets" in answer:
        return thousands(sum(sum(each["counts"].values()) for each in answer["buckets"]))
    return thousands(answer["count"]) + (" (partial)" if answer.get("partial") else "")


def _beside(served: Served) -> str:
    """How long a small request takes while two big queries run."""
    over = threading.Event()

    def search() -> None:
        while not over.is_set():
            served.ask("logs/count", regex=r"\d+ (zebra|lion)s")

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    spent = []
    try:
        for _ in range(200):
            spent.append(served.ask("health")[0] * 1000)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return (
        f"a small request while two big ones run: {median(spent):.1f} ms, "
        f"99 of 100 within {quantile(spent, 0.99):.1f} ms"
    )
