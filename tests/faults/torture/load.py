"""More than usual: many containers, one that floods, events that nobody reads."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.torture.lines import Writer, compare, texts_of
from tests.faults.torture.outcome import Outcome
from tests.faults.torture.rig import Naive, Rig, Towline, sleep
from tests.real.image import IMAGE
from tests.real.until import until

TOGETHER = 4
KEPT = 25
"""Connections that the `docker` package keeps open, one for each address asked."""


def storm(rig: Rig) -> Outcome:
    """Many containers made, run and removed at once: what is not complete is said."""
    outcome = Outcome("storm")
    home = rig.collector()
    home.start()
    home.wait_up()
    sleep(1)
    _, fds = home.look()
    writers = [
        Writer(id=number, lines=50, pause=5_000, every=10)
        for number in range(1, rig.pick(24, 200) + 1)
    ]

    def live(writer: Writer) -> None:
        options = ["--rm", f"--name={writer.name}", "--network=none"]
        rig.containers.cli("run", *options, IMAGE, "sh", "-c", writer.script)

    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(live, writers))
    counted = 0
    if not isinstance(home, Naive):
        until(lambda: not _read_now(home), 30, "the last container", pause=0.2)
        _, after = home.look()
        outcome.must(after - fds <= 2 + KEPT, f"{fds} open files before, {after} after")
        counted = home.component("sources.docker")["counters"].get("missed_container", 0)
    home.stop()
    found = rig.judge(outcome, writers, home)
    complete = sum(
        texts_of(found.get(writer.name, []), stderr=False) == writer.texts(stderr=False)
        for writer in writers
    )
    # who lives for a moment only may be gone with its log before anybody can read it
    missed = len(writers) - complete
    outcome.must(missed <= counted, f"{missed} are not complete, {counted} are counted")
    outcome.must(not (outcome.found.dup or outcome.found.order), f"{outcome.found}")
    outcome.note = f"{complete} of {len(writers)} containers complete"
    return outcome


def _read_now(home: Towline) -> int:
    return sum(row["attached"] or row["running"] for row in home.containers().values())


def burst(rig: Rig) -> Outcome:
    """One container floods, one writes lines of 10 MB, one goes on as ever; the API answers."""
    outcome = Outcome("burst", timed="an answer of the API meanwhile")
    flood = Writer(id=1, lines=rig.pick(500, 2500), kind="long", pause=0, wait=1)
    steady = Writer(id=2, lines=rig.pick(2000, 20_000), pause=60_000)
    count, size = rig.pick(2, 20), 10_000_000
    home = rig.collector()
    home.start()
    home.wait_up()
    rig.write(steady)
    rig.write(flood)
    line = f"head -c {size} /dev/zero | tr '\\0' z; echo"
    big = f"i=0; while [ $i -lt {count} ]; do i=$((i+1)); {line}; done"
    rig.containers.run(big, name="big")
    ended = threading.Event()
    asking = threading.Thread(target=_ask, args=(home, outcome, ended))
    asking.start()
    try:
        home.wait_read([flood.name, steady.name, "big"])
    finally:
        ended.set()
        asking.join()
        home.stop()
    found = rig.judge(outcome, [flood, steady], home)
    outcome.must_be_clean()
    total = sum(len(str(record["message"])) for record in found.get("big", []) if record.get("seq"))
    outcome.must(total == count * size, f"{total} bytes of long lines, not {count * size}")
    outcome.must(outcome.rss_max <= 200 << 20, f"{outcome.rss_max >> 20} MB of memory")
    outcome.note = f"{flood.lines * 40_000 >> 20} MB of flood, {count} lines of 10 MB"
    return outcome


def _ask(home: Towline, outcome: Outcome, ended: threading.Event) -> None:
    while not ended.wait(0.05):
        begin = time.monotonic()
        if home.get("health") is not None:
            outcome.times.append(time.monotonic() - begin)


def events(rig: Rig) -> Outcome:
    """Thousands of events, and Towline frozen for some of them: no container is missed."""
    outcome = Outcome("events", timed="a call that makes an event, Towline reading")
    home = rig.collector()
    home.start()
    home.wait_up()
    sleep(1)
    if rig.naive:  # nobody reads its events
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(rig.engine.socket))
            deaf.sendall(b"GET /events HTTP/1.0\r\n\r\n")
            _tag(rig, outcome, 2500)
    else:
        _tag(rig, outcome, rig.pick(1500, 5000))
    median = sorted(outcome.times)[len(outcome.times) // 2]
    slow = sum(taken > 0.09 for taken in outcome.times)
    outcome.must(slow < 0.2 * len(outcome.times), f"{slow} of {len(outcome.times)} calls are slow")
    home.process.signal(signal.SIGSTOP)
    writers = [Writer(id=number, lines=100, pause=0) for number in range(1, 4)]
    _tag(rig, Outcome("frozen"), 1300)
    for writer in writers:
        rig.write(writer)
        rig.containers.wait(writer.name)
    home.process.signal(signal.SIGCONT)
    begin = time.monotonic()
    home.wait_read([writer.name for writer in writers])
    found_after = time.monotonic() - begin
    home.stop()
    stored = rig.judge(outcome, writers, home)
    outcome.found = type(outcome.found)()
    for writer in writers:
        records = stored.get(writer.name, [])
        outcome.found += compare(writer.texts(stderr=False), texts_of(records, stderr=False))
    outcome.must(outcome.found.clean, f"{outcome.found}")
    outcome.note = f"median {median * 1000:.1f} ms; found {found_after:.1f} s after the freeze"
    return outcome


def _tag(rig: Rig, outcome: Outcome, times: int) -> None:
    """Calls to the engine that make an event each; stops early where they have become slow."""
    connection = _Connection(str(rig.engine.socket))
    name, _, tag = IMAGE.partition(":")
    slow = 0
    for _ in range(times):
        begin = time.monotonic()
        connection.request("POST", f"/images/{IMAGE}/tag?repo={name}&tag={tag}")
        connection.getresponse().read()
        outcome.times.append(time.monotonic() - begin)
        slow += outcome.times[-1] > 0.09
        if slow > 600 or (slow > 20 and not rig.naive and outcome.name == "frozen"):
            break
    connection.close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)
