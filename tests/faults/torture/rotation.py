"""Logs that rotate faster than anybody reads."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.torture.lines import Record, Writer
from tests.faults.torture.outcome import Outcome
from tests.faults.torture.rig import Rig


def rotate(rig: Rig) -> Outcome:
    """A burst under 10m/3, through the API and from the files: nothing that Docker has is lost."""
    outcome = Outcome("rotate")
    lines, rounds = rig.pick(150_000, 300_000), rig.pick(1, 20)
    for turn in range(rounds):
        for read in ("api", "files"):
            writer = Writer(id=2 * turn + (read == "files"), lines=lines, pause=0, wait=2)
            id_ = rig.write(writer, log_options={"max-size": "10m", "max-file": "3"})
            home = rig.collector(read=read, folder=f"{read}-{turn}")
            home.start()
            home.wait_read([writer.name])
            home.stop()
            found = rig.judge(outcome, [writer], home)
            missing = rig.missing_of_history({writer.name: id_}, found)
            outcome.must(not missing, f"{missing} lines that Docker has are missing ({read})")
            rig.containers.remove(writer.name)
    outcome.must_be_clean()
    return outcome


def overrun(rig: Rig) -> Outcome:
    """10k/2 and a burst: what is lost is lost before anybody could read it, and is said."""
    outcome = Outcome("overrun")
    rounds = rig.pick(3, 50)
    running = [Writer(id=number, lines=20_000, pause=0, wait=2) for number in range(1, rounds + 1)]
    options = {"max-size": "10k", "max-file": "2"}
    home = rig.collector(read="api")
    home.start()
    home.wait_up()
    ids = {writer.name: rig.write(writer, log_options=options) for writer in running}
    home.wait_read(ids)
    home.stop()
    found = rig.judge(outcome, running, home)
    for writer in running:
        uncovered = silent_holes(writer, found.get(writer.name, []))
        outcome.must(not uncovered, f"{writer.name}: {uncovered} holes without a gap record")
    said = outcome.found
    outcome.must(said.lost, "nothing was lost: the burst is too slow for this test")
    outcome.must(not (said.dup or said.order or said.strange), f"{said}")
    outcome.must(outcome.gaps <= said.holes, f"{outcome.gaps} gaps for {said.holes} holes")
    missing = rig.missing_of_history(ids, found)
    # an engine that rotates while it answers leaves out some that it still has: in a hole, too
    outcome.note = f"{said.holes} holes, all said; {missing} of the lines in them Docker still has"
    return outcome


def silent_holes(writer: Writer, records: Sequence[Record]) -> int:
    """Places where numbers are missing and no gap stands between their neighbours."""
    numbers = {text: number for number, text in enumerate(writer.texts(stderr=False))}
    before, said, holes = -1, False, 0
    for record in records:
        if record.get("gap"):
            said = True
            continue
        number = numbers.get(str(record["message"]))
        if number is None:
            continue
        holes += number > before + 1 and not said
        before, said = number, False
    return holes + (before < len(numbers) - 1 and not said)
