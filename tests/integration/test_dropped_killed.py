"""Lines that are dropped stay dropped over `kill -9`, and reading goes on behind them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.integration.test_docker_killed import grown, stored, towline
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import until

LINES = 3000
MIXED = f"""
    i=0; while [ $i -lt {LINES} ]; do
        i=$((i+1)); echo line $i; echo GET /health $i >&2; [ $((i % 40)) = 0 ] && usleep 30000
    done
"""
UNWANTED = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo GET /health $i; done"
CONFIG = "version: 1\nstore: {flush: 200ms}\npipeline: {drop: [{regex: 'GET /health'}]}\n"


def read_up_to(folder: Path, container: str) -> int:
    """The row of a container's last checkpoint on disk."""
    rows = (folder / "data" / "checkpoints").read_bytes().splitlines()
    points = [json.loads(row.partition(b" ")[2]) for row in rows]
    return max(int(point["seq"]) for point in points if point.get("container") == container)


def test_what_is_left_is_stored_once_and_checkpoints_go_on_behind_what_is_dropped(
    tmp_path: Path, engine: Engine, containers: Containers
) -> None:
    containers.run(MIXED, name="mixed")
    unwanted = containers.run(UNWANTED, name="unwanted")
    for kill in range(1, 4):
        process = towline(tmp_path, engine, CONFIG)
        process.start()
        until(partial(grown, tmp_path, kill * 150_000), 60)
        process.kill()
    containers.wait("mixed")
    process = towline(tmp_path, engine, CONFIG)
    process.start()
    try:
        until(lambda: len(stored(tmp_path)["mixed"]) == LINES, 60, pause=0.5)
    finally:
        process.stop()
    found = stored(tmp_path)
    assert [record["message"] for record in found["mixed"]] == [
        f"line {number}" for number in range(1, LINES + 1)
    ]
    assert not found["unwanted"]
    assert not [record for name in found for record in found[name] if "gap" in record]
    assert read_up_to(tmp_path, unwanted) == 200
