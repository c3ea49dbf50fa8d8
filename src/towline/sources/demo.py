"""Source kind `demo`: small real child processes that log like containers, without Docker.

Lines come from pipes of programs that run, so order, streams, long lines and exits are real.
A demo cannot be read again: what was printed while nobody read is lost with its process.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import voluptuous as vol

from towline.config.fields import duration, mapping
from towline.config.kinds import Kind, Surroundings
from towline.config.settings import Device
from towline.ports import Emit
from towline.record import Line, Origin, OriginType, time_text
from towline.status import Health

log = logging.getLogger(__name__)

GRACE: Final = 2.0
"""Seconds a program has to end after SIGTERM."""

LONGEST: Final = 1 << 20
"""Bytes of one line that are kept; a program here prints far less."""

_WEB = """
import random, sys, time
paths = ["/", "/cart", "/api/orders", "/static/app.js", "/health"]
while True:
    status = random.choice([200] * 12 + [304, 404, 500])
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    client = f"192.0.2.{random.randint(1, 254)}"
    path = random.choice(paths)
    size = random.randint(90, 9000)
    print(f'{client} - - [{stamp}] "GET {path} HTTP/1.1" {status} {size}')
    if status == 500:
        print(f'[error] upstream timed out while reading "{path}"', file=sys.stderr)
    time.sleep(random.uniform(0.5, 1.5) * float(sys.argv[1]))
"""

_API = """
import json, random, sys, time
events = [("debug", "cache lookup"), ("info", "order stored"), ("info", "order stored"),
          ("info", "payment accepted"), ("warn", "payment slow"), ("error", "database refused")]
for number in range(1, 1 << 31):
    level, message = random.choice(events)
    print(json.dumps({"level": level, "msg": message, "order": number,
                      "ms": random.randint(1, 900)}))
    if number % 40 == 0:
        print("DEBUG body " + "x" * 20000)
    time.sleep(random.uniform(0.5, 1.5) * float(sys.argv[1]))
"""

_WORKER = """
import logging, random, sys, time
logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("worker")
def convert(picture):
    if picture % 12 == 0:
        raise ValueError(f"picture {picture} has no size")
    log.info("picture %d converted", picture)
for picture in range(1, 26):
    log.debug("picture %d taken from the queue", picture)
    try:
        convert(picture)
    except ValueError:
        log.exception("picture %d skipped", picture)
    time.sleep(random.uniform(0.5, 1.5) * float(sys.argv[1]))
raise SystemExit("queue closed, worker ends")
"""

PROGRAMS: Final[Mapping[str, str]] = {"web": _WEB, "api": _API, "worker": _WORKER}
"""The demo's services and what they run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Settings of kind `demo`: seconds between two lines of a service, about."""

    interval: float


class DemoSource:
    """Keeps one child process per program running and emits what it prints."""

    def __init__(
        self,
        name: str,
        config: Demo,
        device: Device,
        *,
        programs: Mapping[str, str] = PROGRAMS,
        grace: float = GRACE,
    ) -> None:
        self.health = Health()
        self._name = name
        self._interval = config.interval
        self._device = device
        self._programs = programs
        self._grace = grace

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self, emit: Emit) -> None:
        """Run every program until cancelled; one that ends is started again."""
        self.health.up()
        async with asyncio.TaskGroup() as tasks:
            for service, program in self._programs.items():
                tasks.create_task(self._keep(service, program, emit), name=f"demo {service}")

    async def _keep(self, service: str, program: str, emit: Emit) -> None:
        while True:
            await self._run_once(service, program, emit)
            self.health.counters["restarts"] += 1
            await asyncio.sleep(self._interval)

    async def _run_once(self, service: str, program: str, emit: Emit) -> None:
        process = await asyncio.create_subprocess_exec(
            *_command(program, self._interval),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            limit=LONGEST,
        )
        log.debug("demo program started", extra={"service": service, "pid": process.pid})
        feed = _Feed(self._origin(service), emit)
        try:
            await asyncio.gather(*(feed.copy(*pipe) for pipe in _pipes(process)))
            await process.wait()
        finally:
            await _end(process, self._grace)

    def _origin(self, service: str) -> Origin:
        name = f"demo-{service}"
        return Origin(
            type=OriginType.CONTAINER,
            name=name,
            device=self._device.id,
            project="demo",
            service=service,
            container=name,
            container_id=uuid.uuid4().hex * 2,
            image=f"demo/{service}",
            source=self._name,
        )


class _Feed:
    """Turns rows of both streams into lines of one origin, counted together."""

    def __init__(self, origin: Origin, emit: Emit) -> None:
        self._origin = origin
        self._emit = emit
        self._seq = 0

    async def copy(self, stream: asyncio.StreamReader, stderr: bool) -> None:
        while row := await stream.readline():
            self._seq += 1
            now = time.time_ns()
            line = Line(
                text=row.decode(errors="replace").removesuffix("\n"),
                time=time_text(now),
                timestamp=now // 1_000_000,
                stderr=stderr,
                seq=self._seq,
            )
            self._emit(self._origin, [line])


def _command(program: str, interval: float) -> Sequence[str]:
    return [sys.executable, "-u", "-c", program, str(interval)]


def _pipes(process: Process) -> list[tuple[asyncio.StreamReader, bool]]:
    both = [(process.stdout, False), (process.stderr, True)]
    return [(stream, stderr) for stream, stderr in both if stream is not None]


async def _end(process: Process, grace: float) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    # no timeout(): within a cancelled task Python 3.11.2 does not tell it from the cancellation
    waiting = asyncio.ensure_future(process.wait())
    done, _ = await asyncio.wait((waiting,), timeout=grace)
    if not done:
        with suppress(ProcessLookupError):
            process.kill()
        await waiting


_schema = mapping({vol.Optional("interval", default="1s"): duration})


def _open(name: str, config: Demo, surroundings: Surroundings) -> DemoSource:
    return DemoSource(name, config, surroundings.device)


KIND: Final = Kind(schema=_schema, config=Demo, open=_open)
