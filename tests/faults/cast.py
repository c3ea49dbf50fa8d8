"""Changing the file under load, as a terminal shows it: `python -m tests.faults.cast`.

A container writes 1,000 lines a second into two MQTT backends while the file is edited, planned,
applied, broken and rolled back. Every command is really run; at the end everybody counts. Exit code
1 when a line was lost or came twice.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.integration.cli_run import Run, towline
from tests.integration.reload_watchers import numbers
from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.listener import Listener
from tests.real.until import until

FILE: Final = """\
version: 1
device: {{id: pi}}
sources:
  docker: {{type: docker, url: "{engine}"}}
brokers:
  home: {{servers: ["{broker}"], client_id: towline-home}}
  hub: {{servers: ["{broker}"], client_id: towline-hub}}
backends:
  phone: {{type: mqtt, broker: home, topic: "phone/{{service}}", batch: {{max_records: 50}}}}
  archive: {{type: mqtt, broker: hub, topic: "archive/one", batch: {{max_records: 50}}}}
api: {{listen: "{listen}"}}
"""
COUNT: Final = """awk 'BEGIN { for (;;) { for (i = 0; i < 50; i++) print "line", ++n
fflush(); system("usleep 50000") } }'"""
WATCH: Final = "apply: {watch: 10s}\n"
PATIENCE: Final = 60.0
HEAD: Final = """\
# Changing the file under load

A container writes 1,000 lines a second into two backends. Meanwhile its file is edited, planned,
applied, broken and rolled back. This is what a terminal shows; `python -m tests.faults.cast` plays
it again, on a machine set up by `./dev setup`.

"""


class Listening(Run):
    """A `towline run` whose file says where it listens."""

    def command(self) -> list[str]:
        """Without `--listen`."""
        return super().command()[:-2]


class Cast:
    """A terminal: prints what it runs, and keeps it as text without this machine's places."""

    def __init__(self, run: Run, hide: Sequence[tuple[str, str]]) -> None:
        self.run = run
        self._hide = hide
        self.text = ""

    def print(self, text: str) -> None:
        """One piece of output."""
        for real, shown in self._hide:
            text = text.replace(real, shown)
        text = re.sub(r"\n{3,}", "\n\n", text)
        print(text, flush=True)
        self.text += text + "\n"

    def say(self, text: str) -> None:
        """What the person at the terminal thinks."""
        self.print(f"\n# {text}")

    def towline(self, *arguments: str, tail: int = 0) -> None:
        """A command and what it says; the last `tail` lines of it."""
        found = towline(*arguments, folder=self.run.folder, env={"TOWLINE_URL": self.run.url})
        said = (found.stdout + found.stderr).rstrip()
        if tail:
            said = "\n".join(said.splitlines()[-tail:])
        self.print(f"$ towline {' '.join(arguments)}\n{said}")

    def edited(self, text: str) -> Path:
        """The next version, beside the one in force, and how they differ."""
        wanted = self.run.folder / "next.yaml"
        wanted.write_text(text)
        shown = subprocess.run(
            ["diff", "--unified=0", "towline.yaml", "next.yaml"],
            cwd=self.run.folder,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        rows = [row for row in shown.splitlines() if not row.startswith(("---", "+++", "@@"))]
        self.print("$ diff towline.yaml next.yaml\n" + "\n".join(rows))
        return wanted

    def saved(self, count: int = 1) -> None:
        """Put the next version in place and wait until Towline has said `count` outcomes."""
        known = len(self.history())
        begun = time.time()
        (self.run.folder / "next.yaml").replace(self.run.file)
        self.print("$ mv next.yaml towline.yaml")
        for number in range(count):
            self.outcome(known + number, begun if not number else 0.0)

    def outcome(self, known: int, begun: float) -> None:
        """Wait for the next outcome and show it as the record in the log has it."""
        until(lambda: len(self.history()) > known, PATIENCE, "an outcome")
        entry = self.history()[known]
        took = f"   ({entry['at'] / 1000 - begun:.2f} s after the save)" if begun else ""
        self.print(f"  → {told(entry)}{took}")

    def history(self) -> list[dict[str, Any]]:
        """Outcomes so far, oldest first."""
        with urllib.request.urlopen(f"{self.run.url}/api/v1/config/history") as answer:
            found: list[dict[str, Any]] = json.load(answer)["history"]
        return found[::-1]


def told(entry: dict[str, Any]) -> str:
    """An outcome in a line."""
    if entry["outcome"] == "applied":
        words = {word: entry[word] for word in ("added", "changed", "removed") if entry[word]}
        parts = [f"{word} {', '.join(keys)}" for word, keys in words.items()]
        return f"applied: {'; '.join(parts) or 'nothing to do'}; {len(entry['kept'])} kept"
    if entry["outcome"] == "refused":
        first = entry["problems"][0]
        return f"refused: {first['message']} (line {first['line']})"
    return f"rolled back: {entry['component']}: {entry['reason']}"


def play(cast: Cast, text: str, taken: str, arrived: Callable[[], int]) -> None:
    """The whole story."""
    cast.say("A container counts, 1,000 lines a second; two backends publish what it says.")
    cast.towline("status")

    cast.say("Another topic for the archive. What would that touch?")
    moved = text.replace("archive/one", "archive/two")
    cast.edited(moved)
    cast.towline("plan", "next.yaml")
    cast.say("Only that backend. Go.")
    cast.saved()

    cast.say("A slip of the finger.")
    cast.edited(moved.replace("topic:", "topik:", 1))
    cast.towline("check", "next.yaml")
    cast.say("Saved all the same: what runs goes on.")
    cast.saved()

    cast.say("Valid, but it cannot be opened: somebody else listens there.")
    cast.edited(moved.replace(cast.run.listen, taken))
    cast.saved()

    cast.say("It opens, and then it fails: a broker that is not there. On probation, it goes back.")
    dead = moved.replace("home: {servers", "HOME", 1)
    dead = re.sub(r'HOME: \["[^"]*"\]', 'home: {servers: ["mqtt://127.0.0.1:9"]', dead) + WATCH
    cast.edited(dead)
    cast.saved(2)

    cast.say("The file as it was.")
    cast.edited(moved)
    cast.saved()
    before = arrived()
    until(lambda: arrived() > before, PATIENCE, "records after the last change")


@contextmanager
def stopping(run: Run) -> Iterator[None]:
    """It runs, and is stopped afterwards."""
    try:
        run.start()
        yield
    finally:
        run.process.stop()


def counted(cast: Cast, containers: Containers, listener: Listener) -> bool:
    """Who got what; True when nobody lost or repeated anything."""
    containers.cli("kill", "counter")
    written = numbers(containers.logs("counter")[0].decode().splitlines())
    places = {"phone": ("phone/counter",), "archive": ("archive/one", "archive/two")}
    until(
        lambda: all(written[-1] in on(listener, topics)[-500:] for topics in places.values()),
        PATIENCE,
        "the last line",
    )
    stored = cast.run.records("counter", "--since", "1h")
    found = {
        "container": written,
        "store": numbers(record["message"] for record in stored),
        **{f"backend {name}": on(listener, topics) for name, topics in places.items()},
    }
    cast.say("The container is stopped, and everybody counts.")
    cast.print(f"{'':16}{'lines':>9}{'lost':>7}{'twice':>7}")
    well = True
    for who, got in found.items():
        lost, twice = len(set(written) - set(got)), len(got) - len(set(got))
        well = well and not lost and not twice and list(got) == sorted(got)
        cast.print(f"{who:16}{len(got):>9,}{lost:>7}{twice:>7}")
    return well


def on(listener: Listener, topics: tuple[str, ...]) -> list[int]:
    """The numbers on some topics, in order of arrival."""
    names = {f"{topic}/batch" for topic in topics}
    batches = [message.json() for message in list(listener.messages) if message.topic in names]
    return numbers(record["message"] for batch in batches for record in batch["logs"])


def main() -> int:
    """Play it."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--write", type=Path, help="keep the text in this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="towline-cast-") as folder:
        base = Path(folder)
        with Engine(base / "engine") as engine, Broker(base / "broker") as broker:
            engine.image()
            containers = Containers(engine.host)
            home = base / "home"
            home.mkdir()
            run = Listening(home)
            taken = broker.url.removeprefix("mqtt://")
            text = FILE.format(engine=engine.host, broker=broker.url, listen=run.listen)
            run.file.write_text(text)
            with broker.listen("#") as listener, stopping(run):
                hide = (
                    (engine.host, "unix:///var/run/docker.sock"),
                    (broker.url, "mqtt://broker.local:1883"),
                    (taken, "127.0.0.1:1883"),
                    (run.listen, "127.0.0.1:8099"),
                    (f"{home}/", ""),
                    (str(home), "."),
                )
                cast = Cast(run, hide)
                containers.run(COUNT, name="counter")
                until(lambda: len(listener.messages) > 20, PATIENCE, "records")
                play(cast, text, taken, lambda: len(listener.messages))
                well = counted(cast, containers, listener)
            containers.clean()
    if given.write:
        given.write.write_text(f"{HEAD}```console\n{cast.text.strip()}\n```\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
