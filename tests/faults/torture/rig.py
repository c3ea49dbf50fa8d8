"""What the scenarios share: an engine, containers that write, a collector, and what it stored."""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from tests.faults.torture.lines import Record, Writer, compare_all, gaps_of
from tests.faults.torture.outcome import Outcome
from tests.real.broker import free_port
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.process import Process
from tests.real.until import until
from towline.store import codec

STORE = "store: {flush: 200ms, max_file_size: 1MB, retention: {min_free: 1KB}}\n"
CONFIG = "version: 1\ndevice: {id: pi}\n"
PATIENCE = 120.0

Stored = dict[str, list[Record]]


def sleep(seconds: float) -> None:
    """Let something go on for a while."""
    threading.Event().wait(seconds)


class Towline:
    """`towline run` as a process that is started and killed; its folder lives on.

    `rss_max` and `fds` are the most that was seen of any of its runs.
    """

    def __init__(self, folder: Path, host: str, config: str, wrap: Sequence[str] = ()) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.listen = f"127.0.0.1:{free_port()}"
        self.rss_max = self.fds = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "towline.yaml"
        self.file.write_text(config)
        places = ["--config", str(self.file), "--data", str(self.data), "--listen", self.listen]
        command = [*wrap, sys.executable, "-m", "towline", "run", *places]
        ours = ("TOWLINE_", "MQTT_", "DOCKER_", "LOG_DIR")
        emptied = {name: "" for name in os.environ if name.startswith(ours)}
        self.process = Process(command, folder / "run.log", env={**emptied, "DOCKER_HOST": host})

    @property
    def logs(self) -> Path:
        """The folder of the store's files."""
        return self.data / "logs"

    @property
    def said(self) -> str:
        """What it printed."""
        return self.process.log.read_text() if self.process.log else ""

    def start(self) -> None:
        """Start it; it may not answer yet."""
        self.process.start()

    def wait_up(self) -> None:
        """Until its API answers."""
        until(lambda: self.get("health") is not None, PATIENCE, "the API", pause=0.05)

    def kill(self) -> None:
        """`kill -9`."""
        self.look()
        self.process.kill()

    def stop(self) -> None:
        """Ask it to end."""
        self.look()
        self.process.stop(60)

    def look(self) -> tuple[int, int]:
        """How much memory and how many open files it has; the most is kept."""
        with suppress(OSError, KeyError):  # it is ending
            folder = Path(f"/proc/{self.process.pid}")
            status = folder.joinpath("status").read_text()
            rss = {row.split()[0]: row.split()[1] for row in status.splitlines() if "kB" in row}
            fds = len(os.listdir(folder / "fd"))
            self.rss_max = max(self.rss_max, int(rss["VmHWM:"]) << 10)
            self.fds = max(self.fds, fds)
            return int(rss["VmRSS:"]) << 10, fds
        return 0, 0

    def get(self, path: str, timeout: float = 10) -> Any:
        """What the API answers; None while it does not."""
        url = f"http://{self.listen}/api/v1/{path}"
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def containers(self) -> dict[str, dict[str, Any]]:
        """Its containers by name."""
        found = self.get("containers") or {}
        return {row["name"]: row for row in found.get("containers", [])}

    def component(self, name: str) -> dict[str, Any]:
        """How a component is."""
        status = self.get("status") or {}
        return dict(status.get("components", {}).get(name, {}))

    def wait_read(self, names: Iterable[str], timeout: float = PATIENCE) -> None:
        """Until these containers have ended and all of their log is read."""
        wanted = set(names)

        def is_read() -> bool:
            known = self.containers()
            return all(
                name in known and not known[name]["running"] and not known[name]["attached"]
                for name in wanted
            )

        until(is_read, timeout, f"the end of {sorted(wanted)}", pause=0.1)

    def stored(self) -> Stored:
        """What the store has of each container, in its order."""
        return stored(self.logs)


class Naive(Towline):
    """The naive collector in the same place."""

    def __init__(self, folder: Path, host: str) -> None:
        super().__init__(folder, host, CONFIG)
        command = [sys.executable, "-m", "tests.faults.torture.naive", host, str(self.data)]
        root = Path(__file__).resolve().parents[3]
        env = {"PYTHONPATH": f"{root}:{root / 'src'}"}
        self._host = host
        self.process = Process(command, folder / "run.log", env=env)

    def wait_up(self) -> None:
        until(self.logs.exists, PATIENCE, pause=0.05)

    def wait_read(self, names: Iterable[str], timeout: float = PATIENCE) -> None:
        """Until the containers have ended, and a while longer: it never knows itself."""
        docker = Containers(self._host)
        for name in names:
            docker.wait(name, timeout)
        sleep(4)


_row = msgspec.json.Decoder(dict[str, Any]).decode


def stored(logs: Path) -> Stored:
    """The records of each container in the files of a store that nobody writes."""
    found: Stored = defaultdict(list)
    for path in sorted(logs.glob("*.ndjson*")):
        if path.suffix == ".part":
            continue
        for row in codec.lines(path):
            with suppress(msgspec.DecodeError):  # the naive collector's may be torn
                record = _row(row)
                found[str(record.get("containerName", ""))].append(record)
    return found


def history(engine: Engine, id_: str) -> dict[bool, list[str]]:
    """Docker's own history of a container, from its files: whole lines by stream."""
    folder = engine.containers_folder / id_
    names = sorted(folder.glob(f"{id_}-json.log*"), key=_age, reverse=True)
    texts: dict[bool, list[str]] = {False: [""], True: [""]}
    for path in names:
        for row in path.read_bytes().splitlines():
            with suppress(msgspec.DecodeError):
                entry = _row(row)
                lines = texts[entry["stream"] == "stderr"]
                lines[-1] += str(entry["log"])
                if lines[-1].endswith("\n"):
                    lines[-1] = lines[-1][:-1]
                    lines.append("")
    return {stderr: lines[:-1] for stderr, lines in texts.items()}


def _age(path: Path) -> int:
    suffix = path.name.rpartition(".log")[2].strip(".")
    return int(suffix) if suffix.isdigit() else 0


@dataclass
class Rig:
    """What a scenario is given. With `naive` it must fail: a naive collector, or a broken line."""

    folder: Path
    engine: Engine
    full: bool = False
    naive: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.containers = Containers(self.engine.host)

    def pick(self, short: int, full: int) -> int:
        """How much, in the short form and in the full one."""
        return full if self.full else short

    def collector(
        self, more: str = "", *, read: str = "auto", host: str = "", folder: str = "home"
    ) -> Towline:
        """Towline, or in its place the naive collector."""
        host = host or self.engine.host
        if self.naive:
            return Naive(self.folder / folder, host)
        return self.towline(more, read=read, host=host, folder=folder)

    def towline(
        self,
        more: str = "",
        *,
        read: str = "auto",
        host: str = "",
        folder: str = "home",
        wrap: Sequence[str] = (),
    ) -> Towline:
        """A Towline on the engine; `more` is added to its file."""
        url = host or self.engine.host
        docker = f'sources: {{docker: {{type: docker, url: "{url}", read: {read}}}}}\n'
        store = "" if "store:" in more else STORE
        return Towline(self.folder / folder, url, CONFIG + docker + store + more, wrap)

    def write(self, writer: Writer, **options: Any) -> str:
        """Start a container that writes; its id."""
        return self.containers.run(writer.script, name=writer.name, **options)

    def spoil(self, rows: list[Any]) -> list[Any]:
        """With `naive`, one row fewer, one twice, two exchanged: a checker must notice it."""
        if not self.naive or len(rows) < 10:
            return rows
        at = self.random.randrange(1, len(rows) - 4)
        fault = self.random.choice(("lost", "twice", "exchanged"))
        if fault == "lost":
            return [*rows[:at], *rows[at + 1 :]]
        if fault == "twice":
            return [*rows[: at + 1], *rows[at:]]
        return [*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]]

    def judge(
        self, outcome: Outcome, writers: Sequence[Writer], collector: Towline
    ) -> Mapping[str, list[Record]]:
        """Compare what is stored with what was written; the collector has ended."""
        found = collector.stored()
        outcome.lines += sum(writer.lines for writer in writers)
        outcome.found += compare_all(writers, found)
        outcome.gaps += sum(len(gaps_of(records)) for records in found.values())
        self.seen(outcome, collector)
        return found

    def seen(self, outcome: Outcome, collector: Towline) -> None:
        """Keep what was seen of its memory and files."""
        outcome.rss_max = max(outcome.rss_max, collector.rss_max)
        outcome.fds = max(outcome.fds, collector.fds)

    def missing_of_history(self, ids: Mapping[str, str], found: Mapping[str, list[Record]]) -> int:
        """Lines that Docker has, and the store has not: by container id and name."""
        missing = 0
        for name, id_ in ids.items():
            kept = history(self.engine, id_)
            for stderr in (False, True):
                ours = [
                    str(record["message"])
                    for record in found.get(name, [])
                    if bool(record.get("isStdErr")) == stderr
                ]
                missing += len(set(kept[stderr]) - set(ours))
        return missing
