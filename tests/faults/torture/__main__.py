"""`python -m tests.faults.torture [NAME ...]`: a table, `N passed, N failed`, and JSON."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.torture import backends, daemon, damage, disk, kills, load, rotation
from tests.faults.torture.outcome import Outcome, table
from tests.faults.torture.rig import Rig
from tests.real.engine import Engine

Scenario = Callable[[Rig], Outcome]
SCENARIOS: dict[str, Scenario] = {
    "kill9": kills.kill9,
    "faultpoints": disk.faultpoints,
    "dockerd": daemon.dockerd,
    "rotate": rotation.rotate,
    "overrun": rotation.overrun,
    "corrupt": damage.corrupt,
    "clock": damage.clock,
    "nthfail": disk.nthfail,
    "enospc": disk.enospc,
    "storm": load.storm,
    "burst": load.burst,
    "events": load.events,
    "broker": backends.broker,
    "poison": backends.poison,
    "outage": backends.outage,
    "partition": backends.partition,
    "isolate": backends.isolate,
}
"""By name, in the order in which they are played."""


def play(name: str, rig: Rig) -> Outcome:
    """One scenario; what it raises is a problem of it."""
    begin = time.monotonic()
    rig.folder.mkdir(parents=True, exist_ok=True)
    try:
        outcome = SCENARIOS[name](rig)
    except Exception as exc:
        outcome = Outcome(name, problems=[f"{type(exc).__name__}: {exc}"])
    finally:
        rig.containers.clean()
    outcome.seconds = time.monotonic() - begin
    return outcome


def main() -> int:
    """Play them; the exit code tells whether all passed (with `--naive`: whether all failed)."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--full", action="store_true", help="the long form")
    parser.add_argument("--naive", action="store_true", help="show that the checkers can fail")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (1)")
    parser.add_argument("--json", type=Path, help="write what came out to this file")
    parser.add_argument("--keep", type=Path, help="play in this folder and leave it")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="towline-torture-") as temporary:
        base = given.keep or Path(temporary)
        with Engine(base / "engine") as engine:
            engine.image()
            for name in given.names or SCENARIOS:
                rig = Rig(base / name, engine, given.full, given.naive, given.seed)
                outcomes.append(play(name, rig))
                print(table(outcomes[-1:]).splitlines()[-1], flush=True)
    print(f"\n{table(outcomes)}\n")
    passed = sum(outcome.passed for outcome in outcomes)
    print(f"{passed} passed, {len(outcomes) - passed} failed")
    if given.naive:
        print("with --naive all of them must fail")
    if given.json:
        given.json.write_text(json.dumps([each.as_json() for each in outcomes], indent=1) + "\n")
    wanted = 0 if given.naive else len(outcomes)
    return 0 if passed == wanted else 1


if __name__ == "__main__":
    sys.exit(main())
