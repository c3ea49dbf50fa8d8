"""The benchmarks: `./dev bench [--quick] [NAMES]`. They print tables and judge nothing."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench import collect, latency, memory, mqtt, queries, startup, steady, viewers, way
from tests.bench.ground import QUICK, Ground, Size, Unavailable
from tests.bench.table import Table
from tests.real.process import NotStarted


def _mqtt(ground: Ground) -> Iterator[Table]:
    """Prints its table itself, on a broker of its own."""
    asyncio.run(mqtt.main())
    return iter(())


Bench = Callable[[Ground], Iterator[Table]]
BENCHES: Final[Mapping[str, Bench]] = {
    "way": way.tables,
    "startup": startup.tables,
    "memory": memory.tables,
    "latency": latency.tables,
    "steady": steady.tables,
    "collect": collect.tables,
    "queries": queries.tables,
    "viewers": viewers.tables,
    "mqtt": _mqtt,
}
QUICKLY: Final = tuple(name for name in BENCHES if name != "mqtt")
"""What `--quick` runs: the last one knows no less."""


def main(arguments: list[str]) -> int:
    """Run benchmarks by name, or all of them."""
    asked = _parser().parse_args(arguments)
    size = _size(asked)
    print(_machine())
    folder = Path(tempfile.mkdtemp(prefix="towline-bench-"))
    try:
        with ExitStack() as stack:
            ground = Ground(folder, size, stack)
            for name in asked.names or (QUICKLY if asked.quick else BENCHES):
                _run(name, ground)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _run(name: str, ground: Ground) -> None:
    begun = time.monotonic()
    try:
        for table in BENCHES[name](ground):
            print(f"\n{table}", flush=True)
    except (Unavailable, NotStarted) as exc:
        print(f"\n{name}: not run: {exc}", flush=True)
    else:
        print(f"({name}: {time.monotonic() - begun:.0f} s)", flush=True)


def _size(asked: argparse.Namespace) -> Size:
    size = QUICK if asked.quick else Size()
    given = {
        "lines": asked.lines,
        "records": asked.records,
        "rounds": asked.rounds,
        "seconds": asked.seconds,
    }
    return replace(size, **{key: value for key, value in given.items() if value})


def _machine() -> str:
    load, begun = os.getloadavg()[0], time.perf_counter()
    sum(number for number in range(1_000_000))
    speed = (time.perf_counter() - begun) * 1000
    return (
        f"{os.cpu_count()} cores, load {load:.1f}, {platform.system()} {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}; "
        f"a million additions take it {speed:.0f} ms"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="less of everything, within 90 s")
    parser.add_argument("--lines", type=int, help="lines per run of `collect`")
    parser.add_argument("--records", type=int, help="records in the store of `queries`")
    parser.add_argument("--rounds", type=int, help="rounds whose median is shown")
    parser.add_argument("--seconds", type=float, help="how long a steady load is measured")
    parser.epilog = f"NAME: {', '.join(BENCHES)}"
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
