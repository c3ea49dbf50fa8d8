"""Brokers that are killed, away, out of reach or refuse; one backend that stalls among six.

What counts as delivered is what a broker has acknowledged: what it loses afterwards is its own.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.faults.torture.lines import Record, Writer, compare
from tests.faults.torture.outcome import Outcome
from tests.faults.torture.proxy import Acked, Proxy
from tests.faults.torture.rig import Rig, Towline, sleep
from tests.real.broker import Broker
from tests.real.until import until

BATCH = 50


def file(url: str, name: str = "mqtt", more: str = "") -> str:
    """A broker and a backend of that name."""
    return (
        f"brokers: {{{name}: {{servers: ['{url}'], keep_alive: 5s}}}}\n"
        f"backends: {{{name}: {{type: mqtt, broker: {name}, "
        f"batch: {{max_age: 100ms, max_records: {BATCH}}}}}}}\n{more}"
    )


def records(acked: Sequence[Acked]) -> list[Record]:
    """All records that were acknowledged, in order; what is no batch of records left out."""
    found: list[Record] = []
    for each in acked:
        if each.topic.endswith("/batch"):
            found += json.loads(each.payload)["logs"]
    return found


def texts(rows: Sequence[Record], name: str, *, stderr: bool = False) -> list[str]:
    """What a container wrote itself."""
    return [
        str(row["message"])
        for row in rows
        if row.get("containerName") == name and row["isStdErr"] == stderr and row.get("seq")
    ]


def has_all(rows: Callable[[], list[Record]], writers: Sequence[Writer]) -> Callable[[], bool]:
    """Whether every line of the writers is among the rows."""

    def holds() -> bool:
        now = rows()
        return all(
            len(set(texts(now, writer.name, stderr=stderr))) >= len(writer.texts(stderr=stderr))
            for writer in writers
            for stderr in (False, True)
        )

    return holds


def judge(rig: Rig, outcome: Outcome, writers: Sequence[Writer], acked: Sequence[Acked]) -> int:
    """At least once, first sightings in order; how many came again."""
    rows, again = records(acked), 0
    for writer in writers:
        for stderr in (False, True):
            came = rig.spoil(texts(rows, writer.name, stderr=stderr))
            first = list(dict.fromkeys(came))
            again += len(came) - len(first)
            outcome.found += compare(writer.texts(stderr=stderr), first)
        outcome.lines += writer.lines
    if rig.naive and again:
        outcome.must(False, "one came twice")
    outcome.must(outcome.found.clean, f"{outcome.found}")
    return again


def patient(outcome: Outcome, holds: Callable[[], bool], what: str, timeout: float = 60) -> None:
    """Wait; what does not come is a problem."""
    try:
        until(holds, timeout, what, pause=0.3)
    except TimeoutError as exc:
        outcome.must(False, str(exc))


def broker(rig: Rig) -> Outcome:
    """A broker that is killed again and again: every record is acknowledged at least once."""
    outcome = Outcome("broker")
    writers = [
        Writer(id=1, lines=rig.pick(5000, 250_000), kind="mixed", pause=40_000),
        Writer(id=2, lines=rig.pick(5000, 250_000), pause=40_000),
    ]
    kills = rig.pick(4, 50)
    with Broker(rig.folder / "broker") as server, Proxy(server.port) as proxy:
        home = rig.towline(file(proxy.url))
        home.start()
        home.wait_up()
        for writer in writers:
            rig.write(writer)
        for _ in range(kills):
            sleep(rig.random.uniform(0.5, 1.5))
            server.kill()
            sleep(rig.random.uniform(0, 0.5))
            server.start()
        holds = has_all(lambda: records(proxy.acked), writers)
        patient(outcome, holds, "all records", rig.pick(60, 900))
        home.stop()
        again = judge(rig, outcome, writers, proxy.acked)
    rig.seen(outcome, home)
    outcome.must(again <= kills * 20 * BATCH or rig.naive, f"{again} records came again")
    outcome.note = f"{kills} kills, {again} records acknowledged again"
    return outcome


POISON = """
i=0; while [ $i -lt {count} ]; do
    i=$((i+1)); head -c 30000 /dev/zero | tr '\\0' y; echo
    printf 'nul \\000 %d\\n' $i; usleep 20000
done
"""


def poison(rig: Rig) -> Outcome:
    """Records too large for the broker, topics of hostile names, forbidden topics, NUL."""
    outcome = Outcome("poison")
    count = rig.pick(20, 1000)
    writer = Writer(id=1, lines=rig.pick(4000, 100_000), pause=30_000)
    hostile = [Writer(id=number, lines=50, pause=10_000) for number in range(2, 5)]
    names = ["+/#", "\x00".replace("\x00", "$SYS"), "ä/../" + "x" * 300]
    forbidden = Writer(id=6, lines=50)
    rules = rig.folder / "acl"
    rules.write_text("topic deny towline/pi/logs/+/vault/#\ntopic readwrite #\n")
    options = ["max_packet_size 20000", f"acl_file {rules}"]
    service = "com.docker.compose.service"
    with Broker(rig.folder / "broker", options=options) as server, Proxy(server.port) as proxy:
        home = rig.towline(file(proxy.url))
        home.start()
        home.wait_up()
        until(lambda: proxy.connections, 30, "a connection")
        rig.write(writer)
        rig.containers.run(POISON.format(count=count), name="poison")
        for each, name in zip(hostile, names, strict=True):
            rig.write(each, labels={service: name})
        rig.write(forbidden, labels={service: "vault"})
        holds = has_all(lambda: records(proxy.acked), [writer, *hostile])
        patient(outcome, holds, "the good records", rig.pick(60, 600))
        rows = records(proxy.acked)
        patient(outcome, lambda: _dead(home) >= count + 50, "the dead letters", 30)
        dead = _dead(home)
        home.stop()
        judge(rig, outcome, [writer, *hostile], proxy.acked)
    rig.seen(outcome, home)
    nul = [text for text in texts(rows, "poison") if text.startswith("nul")]
    outcome.must(len(nul) == count, f"{len(nul)} lines with NUL of {count}")
    outcome.must(not texts(records(proxy.acked), forbidden.name), "a forbidden topic was taken")
    outcome.must(dead == count + 50, f"{dead} dead letters, not {count + 50}")
    outcome.must(proxy.connections <= 2 + count, f"{proxy.connections} connections")
    outcome.note = f"{dead} dead letters, {proxy.connections} connections"
    return outcome


def _dead(home: Towline) -> int:
    """How many records were set aside."""
    folder = home.data / "dead"
    files = folder.glob("*.ndjson") if folder.exists() else ()
    return sum(path.read_bytes().count(b"\n") for path in files)


def outage(rig: Rig) -> Outcome:
    """Away for longer than memory holds, with a `kill -9` in the middle: all of it, in order."""
    outcome = Outcome("outage")
    writers = [
        Writer(id=number, lines=rig.pick(6000, 1_000_000), kind=kind, pause=10_000)
        for number, kind in ((1, "mixed"), (2, "plain"))
    ]
    server = Broker(rig.folder / "broker")
    with Proxy(server.port) as proxy:
        more = file(proxy.url) + "store: {memory: 200, flush: 200ms, max_file_size: 1MB}\n"
        home = rig.towline(more)
        home.start()
        home.wait_up()
        for writer in writers:
            rig.write(writer)
        sleep(1)
        home.kill()
        home.start()
        home.wait_read([writer.name for writer in writers], rig.pick(60, 1800))
        server.start()
        try:
            holds = has_all(lambda: records(proxy.acked), writers)
            patient(outcome, holds, "what waited", rig.pick(60, 900))
            home.stop()
        finally:
            server.stop()
        again = judge(rig, outcome, writers, proxy.acked)
    rig.seen(outcome, home)
    outcome.must(not again, f"{again} records came again")
    return outcome


@contextmanager
def namespace() -> Iterator[tuple[str, str]]:
    """A network of its own that reaches this machine by a pair of interfaces: name, our address."""
    name, ours, theirs = "towline-torture", "10.213.77.1", "10.213.77.2"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    ip("netns", "add", name)
    try:
        ip("link", "add", "twl0", "type", "veth", "peer", "name", "twl1", "netns", name)
        ip("address", "add", f"{ours}/30", "dev", "twl0")
        ip("link", "set", "twl0", "up")
        ip("-n", name, "address", "add", f"{theirs}/30", "dev", "twl1")
        ip("-n", name, "link", "set", "twl1", "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield name, ours
    finally:
        ip("netns", "delete", name)


def partition(rig: Rig) -> Outcome:
    """Packets are dropped, a fifth of them or all, and connections reset: nothing is lost."""
    outcome = Outcome("partition")
    writer = Writer(id=1, lines=rig.pick(6000, 60_000), kind="mixed", pause=90_000)
    with namespace() as (name, address):
        options = [f"listener 18831 {address}"]
        with Broker(rig.folder / "broker", options=options) as server, server.listen() as heard:
            home = rig.towline(file(f"mqtt://{address}:18831"), wrap=["ip", "netns", "exec", name])
            home.start()
            rig.write(writer)
            sleep(2)
            for rule in (
                ["-p", "tcp", "-m", "statistic", "--mode", "random", "--probability", "0.2"],
                ["-p", "tcp", "--dport", "18831"],
            ):
                with _rule(name, [*rule, "-j", "DROP"]):
                    sleep(rig.pick(4, 40))
            reset = ["-p", "tcp", "--dport", "18831", "-j", "REJECT", "--reject-with", "tcp-reset"]
            with _rule(name, reset):
                lost = "connection lost"
                patient(outcome, lambda: lost in home.said, "a lost connection", 30)

            def rows() -> list[Record]:
                now = [Acked(0, m.topic, m.payload) for m in list(heard.messages)]
                return records(now)

            patient(outcome, has_all(rows, [writer]), "all records", rig.pick(90, 300))
            home.stop()
            taken = [Acked(0, m.topic, m.payload) for m in heard.messages]
        again = judge(rig, outcome, [writer], taken)
    rig.seen(outcome, home)
    outcome.note = f"{again} records came again"
    return outcome


@contextmanager
def _rule(name: str, rule: list[str]) -> Iterator[None]:
    table = ["ip", "netns", "exec", name, "iptables"]
    subprocess.run([*table, "-A", "OUTPUT", *rule], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([*table, "-D", "OUTPUT", *rule], check=True, capture_output=True)


def isolate(rig: Rig) -> Outcome:
    """One of six brokers is stopped (SIGSTOP): the others get everything, it gets it later."""
    outcome = Outcome("isolate", timed="from line to acknowledgement, five healthy ones")
    writers = [Writer(id=1, lines=rig.pick(5000, 600_000), kind="mixed", pause=20_000)]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Broker(rig.folder / f"broker-{number}")) for number in range(6)
        ]
        proxies = [stack.enter_context(Proxy(server.port)) for server in servers]
        home = rig.towline(_files(proxies))
        home.start()
        home.wait_up()
        until(lambda: all(proxy.connections for proxy in proxies), 30, "six connections")
        servers[0].freeze()
        for writer in writers:
            rig.write(writer)
        for proxy in proxies[1:]:
            holds = has_all(lambda: records(proxy.acked), writers)  # noqa: B023
            patient(outcome, holds, "a healthy broker's records", rig.pick(60, 900))
        outcome.must(len(records(proxies[0].acked)) < 1000, "the stopped one was not stopped")
        for proxy in proxies[1:]:
            for each in proxy.acked:
                if each.topic.endswith("/batch"):
                    first: Any = json.loads(each.payload)["logs"][0]
                    outcome.times.append(each.at - first["timestamp"] / 1000)
        servers[0].thaw()
        patient(outcome, has_all(lambda: records(proxies[0].acked), writers), "the rest", 120)
        home.stop()
        for proxy in proxies:
            judge(rig, outcome, writers, proxy.acked)
    rig.seen(outcome, home)
    return outcome


def _files(proxies: Sequence[Proxy]) -> str:
    brokers = "".join(
        f"  b{number}: {{servers: ['{proxy.url}'], keep_alive: 5s}}\n"
        for number, proxy in enumerate(proxies)
    )
    batch = f"batch: {{max_age: 100ms, max_records: {BATCH}}}"
    backends = "".join(
        f"  b{number}: {{type: mqtt, broker: b{number}, {batch}}}\n"
        for number in range(len(proxies))
    )
    return f"brokers:\n{brokers}backends:\n{backends}"
