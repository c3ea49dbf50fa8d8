"""`kill -9` of the collector, at random moments and at chosen ones; power cuts."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.faults.torture.lines import Writer
from tests.faults.torture.outcome import Outcome
from tests.faults.torture.rig import Rig, Towline, sleep

ROTATED = {"max-file": "4"}


def synced_until(data: Path, newest: Path) -> int:
    """Bytes of the newest file that a sync has covered for sure, by what the checkpoints say."""
    points: dict[str, int] = {}
    covered = 0
    path = data / "checkpoints"
    for row in path.read_bytes().splitlines() if path.exists() else []:
        try:
            point = json.loads(row.partition(b" ")[2])
        except ValueError:
            continue  # a torn end
        covered = int(point.get("covered", covered))
        if "container" in point:
            points[point["container"]] = int(point["seq"])
    at = until = 0
    for row in newest.read_bytes().splitlines(keepends=True):
        at += len(row)
        try:
            record = json.loads(row)
        except ValueError:
            break
        known = points.get(record.get("containerId", ""), 0)
        if 0 < record.get("seq", 0) <= known or int(record["id"], 16) < covered:
            until = at
    return until


def cut_power(rig: Rig, home: Towline) -> int:
    """Take a random part of what was not synced, and put garbage in its place; how much went."""
    newest = max(home.logs.glob("*.ndjson"), default=None, key=lambda file: file.name)
    if newest is None:
        return 0
    size = newest.stat().st_size
    keep = rig.random.randint(min(size, synced_until(home.data, newest)), size)
    os.truncate(newest, keep)
    with newest.open("ab") as file:
        file.write(rig.random.randbytes(rig.random.randint(1, 400)))
    return size - keep


def writers(count: int, lines: int) -> list[Writer]:
    """Containers of all kinds, each writing for about as long as the others."""
    kinds = ("plain", "mixed", "same", "long")
    return [
        Writer(
            id=number,
            lines=max(50, lines // 20) if kinds[number % 4] == "long" else lines,
            kind=kinds[number % 4],
            every=2 if kinds[number % 4] == "long" else 40,
            pause=30_000,
        )
        for number in range(1, count + 1)
    ]


def kill9(rig: Rig) -> Outcome:
    """Random `kill -9` under load, every second time with a power cut."""
    outcome = Outcome("kill9")
    running = writers(8, rig.pick(4000, 200_000))
    for writer in running:
        # in full it is killed for longer than 1m/4 reaches back on a busy machine
        rotated = ROTATED | {"max-size": "10m" if rig.full else "1m"}
        rig.write(writer, log_options=rotated if writer.id % 2 == 0 else None)
    home = rig.collector()
    cut = 0
    kills = rig.pick(6, 50)
    for kill in range(kills):
        home.start()
        if kill % 3 != 1:  # else it may be killed before it has read anything
            home.wait_up()
        sleep(rig.random.uniform(0.2, 1.6))
        home.kill()
        if kill % 2 and not rig.naive:
            cut += cut_power(rig, home)
    home.start()
    home.wait_read([writer.name for writer in running], rig.pick(120, 1800))
    home.stop()
    rig.judge(outcome, running, home)
    outcome.must_be_clean()
    outcome.note = f"{kills} kills, {cut} bytes cut"
    return outcome
