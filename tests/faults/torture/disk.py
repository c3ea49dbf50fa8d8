"""System calls that fail or are the last ones, and a disk that is full."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.torture.lines import Writer
from tests.faults.torture.outcome import Outcome
from tests.faults.torture.rig import Naive, Rig, sleep
from tests.real.broker import Broker
from tests.real.until import until

POINTS = {"write": 400, "fdatasync": 20, "fsync": 6, "rename": 6, "unlink": 2, "pwrite64": 20}
"""Where it is killed: appending; syncing; putting a file in place, such as one compressed, a
checkpoint log or one that retention wrote anew; removing what was replaced; a cursor. The number
is the last call of its kind that is chosen from."""

SMALL = """
store:
  flush: 100ms
  max_file_size: 100KB
  retention: {min_free: 1KB, rules: [{match: {container: c3}, max_age: 1s}]}
"""


def strace(*injections: str) -> list[str]:
    """The command in front of another one that lets its system calls fail."""
    words = ["strace", "-f", "-qq", "-o", "/dev/null"]
    return [*words, *[word for each in injections for word in ("-e", f"inject={each}")]]


def faultpoints(rig: Rig) -> Outcome:
    """Killed at the nth system call of each kind that changes a file, many times over."""
    outcome = Outcome("faultpoints")
    turns = rig.pick(1, 20)
    writers = [
        Writer(id=1, lines=5000 * turns, kind="mixed", pause=100_000),
        Writer(id=2, lines=100 * turns, kind="long", every=1, pause=120_000),
    ]
    passing = Writer(id=3, lines=5000 * turns, pause=100_000)
    for writer in (*writers, passing):
        rig.write(writer)
    kills: Counter[str] = Counter()
    with Broker(rig.folder / "broker") as broker:
        more = f"{SMALL}brokers: {{home: {{servers: ['{broker.url}']}}}}\n"
        more += "backends: {mqtt: {type: mqtt, broker: home}}\n"
        for call in [*POINTS] * turns:
            home = rig.collector(more)
            if isinstance(home, Naive):
                home.start()
                sleep(1)
            else:
                when = rig.random.randint(1, POINTS[call])
                home = rig.towline(more, wrap=strace(f"{call}:signal=SIGKILL:when={when}"))
                home.start()
                with suppress(TimeoutError):
                    until(lambda: not home.process.running, rig.pick(4, 15), pause=0.05)  # noqa: B023
                    kills[call] += 1
                end_of_tracer(home.process.pid)
            home.kill()
        home = rig.collector(more)
        home.start()
        home.wait_read([writer.name for writer in (*writers, passing)], rig.pick(120, 1200))
        home.stop()
    rig.judge(outcome, writers, home)
    outcome.must_be_clean()
    outcome.must(len(kills) > 2 or rig.naive, "few of the system calls were met")
    outcome.note = "killed at " + ", ".join(f"{call} {count}x" for call, count in kills.items())
    return outcome


def end_of_tracer(pid: int) -> None:
    """End what a tracer that still runs has started: it would live on without it."""
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            subprocess.run(["kill", "-9", child], check=False, capture_output=True)


def nthfail(rig: Rig) -> Outcome:
    """The nth system calls fail with EIO, ENOSPC or EMFILE: it goes on, and nothing is lost."""
    outcome = Outcome("nthfail")
    writers = [Writer(id=1, lines=rig.pick(6000, 100_000), kind="mixed")]
    for writer in writers:
        rig.write(writer)
    home = rig.collector(SMALL)
    home.start()
    home.wait_up()
    faults = [
        (call, error)
        for call in ("write", "fdatasync", "fsync", "rename", "openat", "unlink", "pwrite64")
        for error in ("EIO", "ENOSPC", "EMFILE")
        if (call == "openat") == (error == "EMFILE")
    ]
    rig.random.shuffle(faults)
    folder = str(home.data)
    for call, error in faults[: rig.pick(6, len(faults))] * rig.pick(1, 10):
        step = rig.random.randint(1, 7)
        inject = f"inject={call}:error={error}:when={step}+{step + 1}"
        paths = [word for path in _places(home.logs) for word in ("-P", path)]
        paths = [] if call in ("fdatasync", "fsync") else [*paths, "-P", folder]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(home.process.pid)]
        with _running([*command, *paths, "-e", inject]):
            sleep(1)
    outcome.must(home.process.running, "it ended")
    home.wait_read([writer.name for writer in writers], rig.pick(120, 1200))
    if not isinstance(home, Naive):
        until(lambda: home.component("store").get("state") == "up", 60, "the store", pause=0.2)
    home.stop()
    rig.judge(outcome, writers, home)
    outcome.must_be_clean()
    outcome.note = f"{rig.pick(6, 10 * len(faults))} times a second of failing calls"
    return outcome


def _places(logs: Path) -> Iterator[str]:
    yield str(logs)
    for path in logs.glob("*.ndjson"):
        yield str(path)


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()  # it lets go of what it traces
        process.wait(20)


def enospc(rig: Rig) -> Outcome:
    """The store on 8 MB that are filled and freed again and again while lines come."""
    outcome = Outcome("enospc")
    home = rig.collector("store: {flush: 200ms, memory: 50, retention: {min_free: 1KB}}\n")
    home.data.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", home.data], check=True)
    try:
        home.start()
        home.wait_up()
        # few enough for one file: retention would give up closed ones for room, and say so
        writer = Writer(id=1, lines=1400, every=10, pause=rig.pick(60_000, 600_000))
        rig.write(writer)
        rounds = rig.pick(2, 20)
        for _ in range(rounds):
            sleep(1)
            filler = _fill(home.data)
            if not isinstance(home, Naive):
                until(lambda: home.component("store")["state"] == "degraded", 30, pause=0.1)
            sleep(1)
            filler.unlink()
            if not isinstance(home, Naive):
                until(lambda: home.component("store")["state"] == "up", 60, pause=0.1)
        home.wait_read([writer.name])
        home.stop()
        rig.judge(outcome, [writer], home)
        outcome.note = f"filled {rounds} times"
    finally:
        home.stop()
        subprocess.run(["umount", "--lazy", home.data], check=True)
    outcome.must_be_clean()
    return outcome


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler
