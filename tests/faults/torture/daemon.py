"""dockerd killed and stopped, with and without its containers living on."""

from __future__ import annotations

import time

from tests.faults.torture.lines import Writer, compare
from tests.faults.torture.outcome import Outcome
from tests.faults.torture.rig import Naive, Rig, Towline, history, sleep
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import until

ENDLESS = 1_000_000
ROTATED = {"max-size": "1m", "max-file": "3"}


def dockerd(rig: Rig) -> Outcome:
    """`kill -9` with live-restore, SIGTERM without: what Docker has at the end is in the store."""
    outcome = Outcome("dockerd", timed="until read on")
    for live, rounds in ((True, rig.pick(2, 20)), (False, rig.pick(1, 10))):
        with Engine(rig.folder / f"engine-{live}", live_restore=live) as engine:
            engine.image()
            _restarts(rig, outcome, engine, rounds, live=live)
    return outcome


def _restarts(rig: Rig, outcome: Outcome, engine: Engine, rounds: int, *, live: bool) -> None:
    containers = Containers(engine.host)
    writers = [
        Writer(id=1, lines=ENDLESS, kind="mixed"),
        Writer(id=2, lines=ENDLESS, kind="plain", every=20),
    ]
    ids = {
        writer.name: containers.run(
            writer.script,
            name=writer.name,
            restart="no" if live else "always",
            log_options=ROTATED if writer.id == 2 else None,
        )
        for writer in writers
    }
    home = rig.collector(host=engine.host, folder=f"home-{live}")
    home.start()
    home.wait_up()
    try:
        for _ in range(rounds):
            sleep(rig.random.uniform(0.5, 2))
            engine.kill() if live else engine.restart()
            if live:
                engine.start()
            up = time.monotonic()
            before = _size(home)
            until(lambda: _size(home) > before + 2000, 60, "lines after the restart")  # noqa: B023
            outcome.times.append(time.monotonic() - up)
        for name in ids:
            if not live:
                containers.cli("update", "--restart=no", name)
            containers.cli("kill", name)
        if isinstance(home, Naive):
            sleep(3)
        else:
            home.wait_read(ids)
    finally:
        home.stop()
    found = home.stored()
    for name, id_ in ids.items():
        kept = history(engine, id_)
        for stderr in (False, True):
            texts = [
                str(record["message"])
                for record in found.get(name, [])
                if bool(record.get("isStdErr")) == stderr and not record.get("isSystem")
            ]
            wanted = kept[stderr]
            outcome.lines += len(texts)
            if wanted:  # what rotated away meanwhile is no longer there to compare with
                outcome.found += compare(wanted, texts[-len(wanted) :])
            outcome.must(live is False or _counted(texts), f"{name}: not every number once")
        outcome.gaps += sum(1 for record in found.get(name, []) if record.get("gap"))
    rig.seen(outcome, home)
    outcome.must_be_clean()


def _counted(texts: list[str]) -> bool:
    """Whether numbers go up: what the container wrote, once and in order."""
    words = [text.split() for text in texts]
    if not all(len(each) == 4 and each[2].isdigit() for each in words):
        return False
    numbers = [int(each[2]) for each in words]
    return numbers == sorted(set(numbers))


def _size(home: Towline) -> int:
    return sum(file.stat().st_size for file in home.logs.glob("*.ndjson*"))
