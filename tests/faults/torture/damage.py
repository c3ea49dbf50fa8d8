"""Files that were damaged: Docker's and our own; clocks that jump."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

from tests.faults.torture.lines import Writer, compare, texts_of
from tests.faults.torture.outcome import Outcome
from tests.faults.torture.rig import Naive, Rig, Towline, sleep
from tests.faults.torture.rotation import silent_holes
from tests.real.until import until
from towline.store import codec

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def log_of(rig: Rig, id_: str) -> Path:
    """Docker's file of a container."""
    return rig.engine.containers_folder / id_ / f"{id_}-json.log"


def corrupt(rig: Rig) -> Outcome:
    """Docker's files and ours with NULs, torn rows and flipped bytes, cut and removed."""
    outcome = Outcome("corrupt")
    said = _docker_files(rig, outcome)
    damaged = _own_files(rig, outcome)
    outcome.note = f"{said} damaged places in json files, {damaged} in the store"
    return outcome


def _docker_files(rig: Rig, outcome: Outcome) -> int:
    """Lines behind damage are there, a gap is said where lines are missing, no more is lost."""
    places = rig.pick(5, 100)
    writers = [Writer(id=number, lines=200 * places, pause=0) for number in (1, 2)]
    for writer in writers:
        id_ = rig.write(writer)
        rig.containers.wait(writer.name)
        path = log_of(rig, id_)
        rows = path.read_bytes().splitlines(keepends=True)
        for place in range(places):
            _damage(rig, rows, 200 * place + rig.random.randint(20, 180))
        path.write_bytes(b"".join(rows))
    for writer, read in zip(writers, ("files", "api"), strict=True):
        match = f"include: [{{name: {writer.name}}}]"
        home = rig.collector(read=f"{read}, {match}", folder=f"home-{read}")
        home.start()
        home.wait_up()
        home.wait_read([writer.name])
        home.stop()
        records = home.stored().get(writer.name, [])
        texts = [text for text in texts_of(records, stderr=False) if text.startswith("C")]
        found = compare(writer.texts(stderr=False), texts)
        outcome.found += found
        outcome.lines += writer.lines
        outcome.gaps += sum(1 for record in records if record.get("gap"))
        rig.seen(outcome, home)
        outcome.must(not (found.dup or found.order), f"{read}: {found}")
        if read == "files":  # through the API an engine shows nothing between two damages
            outcome.must(found.lost <= 4 * places, f"{found.lost} lost by {places} damages")
            silent = silent_holes(writer, records)
            outcome.must(not silent, f"{read}: {silent} holes without a gap record")
        outcome.must(any(record.get("gap") for record in records), f"{read}: no gap was said")
        outcome.must(texts[-1:] == writer.texts(stderr=False)[-1:], f"{read}: the end is missing")
    return places * len(writers)


def _damage(rig: Rig, rows: list[bytes], at: int) -> None:
    """Damage a row in one of the ways of power cuts and worn cards."""
    match rig.random.randrange(3):
        case 0:
            rows[at] = bytes(4096) + rows[at]
        case 1:
            rows[at] = rows[at][: rig.random.randint(1, 20)]  # the next one begins in its line
        case _:
            row = bytearray(rows[at])
            row[rig.random.randrange(5)] ^= 0x55
            rows[at] = bytes(row)


def _own_files(rig: Rig, outcome: Outcome) -> int:
    """A store of which files are flipped, cut and gone starts, answers and goes on."""
    small = "store: {flush: 100ms, max_file_size: 60KB}\n"
    first = Writer(id=3, lines=rig.pick(3000, 30_000), every=200)
    rig.write(first)
    include = "auto, include: [{name: [c3, c4]}]"
    home = rig.collector(small, read=include)
    home.start()
    home.wait_read([first.name])
    home.stop()
    files = sorted(home.logs.glob("*.ndjson*"))
    untouched = files[::2]
    before = _texts_in(untouched)
    for number, path in enumerate(files[1::2]):
        match number % 4:
            case 0:
                _flip(rig, path, rig.pick(3, 50))
            case 1:
                os.truncate(path, path.stat().st_size // 2)
            case 2:
                path.unlink()
            case _:
                path.with_suffix("").with_suffix(".index").write_bytes(rig.random.randbytes(200))
    second = Writer(id=4, lines=500)
    rig.write(second)
    home.start()
    home.wait_up()
    home.wait_read([second.name])
    if not isinstance(home, Naive):
        outcome.must(_answers(home), "a query is not answered")
        until(lambda: home.component("store").get("state") == "up", 30, pause=0.2)
    outcome.must(home.process.running, "it ended")
    home.stop()
    after = _texts_in([path for path in untouched if path.exists()])
    outcome.must(set(before) <= set(after), "records of an undamaged file are gone")
    new = texts_of(_readable(home, second), stderr=False)
    outcome.found += compare(second.texts(stderr=False), new)
    outcome.lines += first.lines + second.lines
    outcome.must(new == second.texts(stderr=False), "what came after the damage is not all there")
    return len(files) // 2


def _readable(home: Towline, writer: Writer) -> list[dict[str, object]]:
    found = [json.loads(row) for row in _rows(sorted(home.logs.glob("*.ndjson*"))) if b"{" in row]
    return [row for row in found if row.get("containerName") == writer.name and not row.get("gap")]


def _rows(paths: list[Path]) -> list[bytes]:
    rows: list[bytes] = []
    for path in paths:
        for row in codec.lines(path):
            try:
                json.loads(row)
            except ValueError:
                continue
            rows.append(row)
    return rows


def _texts_in(paths: list[Path]) -> list[str]:
    return [str(json.loads(row)["message"]) for row in _rows(paths)]


def _flip(rig: Rig, path: Path, times: int) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(times):
        data[rig.random.randrange(len(data))] ^= 1 << rig.random.randrange(8)
    path.write_bytes(data)


def _answers(home: Towline) -> bool:
    queries = ("logs?limit=100", "logs?text=c3&limit=100", "logs?container=c3&limit=1000")
    return all(home.get(query) is not None for query in queries)


def clock(rig: Rig) -> Outcome:
    """Times that run back and forth, are equal or out of order: the order of the file counts."""
    outcome = Outcome("clock")
    writers = [Writer(id=1, lines=400, kind="same"), Writer(id=2, lines=400)]
    paths = {}
    for writer in writers:
        id_ = rig.containers.run("exit 0", name=writer.name)
        rig.containers.wait(writer.name)
        paths[writer.id] = log_of(rig, id_)
        paths[writer.id].write_bytes(b"")
    rounds = rig.pick(4, 40)
    per = 400 // rounds
    times = {writer.id: _times(rig, equal=writer.id == 1) for writer in writers}
    for turn in range(rounds):
        for writer in writers:
            with paths[writer.id].open("a") as file:
                for number in range(turn * per + 1, (turn + 1) * per + 1):
                    time = next(islice(times[writer.id], 1))
                    row = {"log": writer.text(number) + "\n", "stream": "stdout", "time": time}
                    file.write(json.dumps(row) + "\n")
        home = rig.collector(read="files" if turn % 2 else "api")
        home.start()
        if turn % 2:
            sleep(rig.random.uniform(0.5, 1.5))
            home.kill()
        else:
            home.wait_up()
            home.wait_read([writer.name for writer in writers])
            home.stop()
    home = rig.collector()
    home.start()
    home.wait_up()
    home.wait_read([writer.name for writer in writers])
    home.stop()
    rig.judge(outcome, writers, home)
    outcome.must_be_clean()
    return outcome


def _times(rig: Rig, *, equal: bool) -> Iterator[str]:
    """Times of rows: all one, or with jumps of an hour back and a day forward, and shuffled."""
    now = START
    for number in count(1):
        if not equal:
            now += timedelta(milliseconds=rig.random.choice((1, 1, 1, 0, -15)))
            if number % 90 == 0:
                now -= timedelta(hours=1)
            if number % 130 == 0:
                now += timedelta(days=1)
        yield now.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
