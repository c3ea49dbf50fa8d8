"""`kill -9` while stack traces are being joined: every row is in the store once, in order."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.integration.test_docker_killed import grown, stored, towline
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import until

TRACES = 2500
BUSY = f"""
    i=0; while [ $i -lt {TRACES} ]; do
        i=$((i+1)); echo out $i
        echo "Traceback (most recent call last):" >&2; echo "  File a, line $i" >&2
        [ $((i % 40)) = 0 ] && usleep 30000
        echo "    call $i" >&2; echo "Boom: $i" >&2
    done
"""
SLOW = """
    i=0; while [ $i -lt 25 ]; do
        i=$((i+1)); echo "java.lang.Boom$i: Error:" >&2; echo out $i; echo "	at a.B.c(B:1)" >&2
        usleep 250000; echo more $i; echo "Caused by: Other$i" >&2; echo "	... 2 more" >&2
    done
"""


def rows(records: list[dict[str, object]], *, stderr: bool) -> list[str]:
    """The rows that one stream's records are made of."""
    texts = [str(record["message"]) for record in records if record["isStdErr"] == stderr]
    return [row for text in texts for row in text.split("\n")]


def test_rows_are_stored_once_whenever_towline_is_killed_within_a_trace(
    tmp_path: Path, engine: Engine, containers: Containers
) -> None:
    containers.run(BUSY, name="busy")
    containers.run(SLOW, name="slow")
    for kill in range(1, 6):
        process = towline(tmp_path, engine)
        process.start()
        until(partial(grown, tmp_path, kill * 250_000), 60)
        process.kill()
    containers.wait("busy")
    containers.wait("slow")
    process = towline(tmp_path, engine)
    process.start()
    try:
        until(lambda: len(rows(stored(tmp_path)["busy"], stderr=True)) == 4 * TRACES, 60, pause=0.5)
        until(lambda: len(rows(stored(tmp_path)["slow"], stderr=True)) == 100, 60, pause=0.5)
    finally:
        process.stop()
    found = stored(tmp_path)
    busy, slow = found["busy"], found["slow"]
    numbers = range(1, TRACES + 1)
    trace = "Traceback (most recent call last):\n  File a, line {0}\n    call {0}\nBoom: {0}"
    assert "\n".join(rows(busy, stderr=True)) == "\n".join(map(trace.format, numbers))
    assert rows(busy, stderr=False) == [f"out {number}" for number in numbers]
    chained = "java.lang.Boom{0}: Error:\n\tat a.B.c(B:1)\nCaused by: Other{0}\n\t... 2 more"
    assert "\n".join(rows(slow, stderr=True)) == "\n".join(map(chained.format, range(1, 26)))
    assert rows(slow, stderr=False) == [
        f"{word} {number}" for number in range(1, 26) for word in ("out", "more")
    ]
    for records in (busy, slow):
        assert len({record["seq"] for record in records}) == len(records)
        assert not [record for record in records if "gap" in record]
        assert [record for record in records if str(record["message"]).count("\n") == 3]
