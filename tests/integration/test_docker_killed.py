"""`kill -9` of Towline, again and again: every line is in the store once, in order."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import zstandard

from tests.real.broker import free_port
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.process import Process
from tests.real.until import until

LINES = 6000
PLAIN = f"""
    i=0; while [ $i -lt {LINES} ]; do
        i=$((i+1)); echo $i; [ $((i % 40)) = 0 ] && usleep 30000
    done
"""
LONG = """
    part=$(head -c 20000 /dev/zero | tr '\\0' x)
    i=0; while [ $i -lt 70 ]; do
        i=$((i+1)); echo $i $part; echo $i $part >&2; echo short; usleep 60000
    done
"""
CONFIG = "version: 1\nstore: {flush: 200ms}\n"


def towline(folder: Path, engine: Engine, text: str = CONFIG) -> Process:
    config = folder / "towline.yaml"
    config.write_text(text)
    command = [sys.executable, "-m", "towline", "run", "--config", str(config)]
    places = ["--data", str(folder / "data"), "--listen", f"127.0.0.1:{free_port()}"]
    environment = {"DOCKER_HOST": engine.host, "TOWLINE_DEVICE_ID": "pi"}
    return Process([*command, *places], folder / "towline.log", env=environment)


def stored(folder: Path) -> dict[str, list[dict[str, object]]]:
    """What the store has of each container, in its order."""
    found: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in rows(folder / "data" / "logs"):
        record = json.loads(row)
        found[record.get("containerName", "")].append(record)
    return found


def rows(logs: Path) -> Iterator[bytes]:
    for file in sorted(logs.glob("*.ndjson*")):
        data = file.read_bytes()
        if file.suffix == ".zst":
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        elif file.suffix != ".ndjson":
            continue
        yield from data.split(b"\n")[:-1]  # the last one may be half written


def grown(folder: Path, size: int) -> bool:
    """Whether the store holds so many bytes."""
    files = (folder / "data" / "logs").glob("*.ndjson")
    return sum(file.stat().st_size for file in files) >= size


def test_every_line_is_stored_once_whenever_towline_is_killed(
    tmp_path: Path, engine: Engine, containers: Containers
) -> None:
    containers.run(PLAIN, name="plain")
    containers.run(LONG, name="long")
    for kill in range(1, 5):
        process = towline(tmp_path, engine)
        process.start()
        until(partial(grown, tmp_path, kill * 500_000), 30)
        process.kill()
    containers.wait("plain")
    containers.wait("long")
    process = towline(tmp_path, engine)
    process.start()
    try:
        until(lambda: len(stored(tmp_path)["plain"]) == LINES, 30, pause=0.5)
        until(lambda: len(stored(tmp_path)["long"]) == 210, 30, pause=0.5)
    finally:
        process.stop()
    found = stored(tmp_path)
    assert [record["message"] for record in found["plain"]] == [str(n) for n in range(1, LINES + 1)]
    assert [record["seq"] for record in found["plain"]] == list(range(1, LINES + 1))
    for stderr in (False, True):
        texts = [str(r["message"]) for r in found["long"] if r["isStdErr"] == stderr]
        long = [text for text in texts if text != "short"]
        assert long == [f"{n} {'x' * 20_000}" for n in range(1, 71)]
    assert [r["message"] for r in found["long"]].count("short") == 70
    assert not [record for name in found for record in found[name] if "gap" in record]
