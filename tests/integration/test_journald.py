"""The journal of this machine: units, the kernel, and containers without the Docker socket."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_docker_killed import rows
from tests.real.broker import free_port
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.journal import Journal
from tests.real.process import Process
from tests.real.until import until

LINES = 3000
COUNTING = f"""
    i=0; while [ $i -lt {LINES} ]; do
        i=$((i+1)); echo $i; [ $((i % 40)) = 0 ] && usleep 30000
    done
"""
LONG = """
    part=$(head -c 20000 /dev/zero | tr '\\0' x)
    i=0; while [ $i -lt 40 ]; do
        i=$((i+1)); echo $i $part; echo $i $part >&2; echo short; usleep 60000
    done
"""


@pytest.fixture(scope="module")
def journalling(journal: Journal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine whose containers log into the journal."""
    with Engine(tmp_path_factory.mktemp("engine"), log_driver="journald") as engine:
        engine.image()
        yield engine


class Run:
    """A Towline that reads the journal alone, over several lives."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        config = folder / "towline.yaml"
        config.write_text(f"version: 1\nstore: {{flush: 200ms}}\nsources: {{host: {source}}}\n")
        command = [sys.executable, "-m", "towline", "run", "--config", str(config)]
        places = ["--data", str(folder / "data"), "--listen", f"127.0.0.1:{free_port()}"]
        self.process = Process([*command, *places], folder / "towline.log")

    def __enter__(self) -> Run:
        self.process.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.stop()

    def kill_at(self, size: int) -> None:
        """`kill -9` once the store holds so many bytes."""
        until(partial(self._holds, size), 60)
        self.process.kill()
        self.process.start()

    def _holds(self, size: int) -> bool:
        files = (self.folder / "data" / "logs").glob("*.ndjson")
        return sum(file.stat().st_size for file in files) >= size

    def records(self, **wanted: str) -> list[dict[str, Any]]:
        """What the store has, in its order, with these members."""
        found = map(json.loads, rows(self.folder / "data" / "logs"))
        return [one for one in found if all(one.get(key) == text for key, text in wanted.items())]


def test_every_line_of_a_container_is_stored_once_whenever_towline_is_killed(
    tmp_path: Path, journalling: Engine
) -> None:
    containers = Containers(journalling.host)
    name = secrets.token_hex(4)
    source = f'include: [{{name: "*-{name}"}}], units: [], kernel: false, containers: true'
    with Run(tmp_path, f"{{type: journald, {source}}}") as run:
        try:
            containers.run(COUNTING, name=f"plain-{name}")
            containers.run(LONG, name=f"long-{name}")
            for kill in range(1, 4):
                run.kill_at(kill * 300_000)
            containers.wait(f"plain-{name}")
            containers.wait(f"long-{name}")
            plain = partial(run.records, containerName=f"plain-{name}")
            long = partial(run.records, containerName=f"long-{name}")
            until(lambda: len(plain()) >= LINES and len(long()) >= 120, 60, pause=0.5)
        finally:
            containers.clean()
        assert [record["message"] for record in plain()] == [str(n) for n in range(1, LINES + 1)]
        assert not [record for record in plain() + long() if "gap" in record or "partial" in record]
        numbers = [record["seq"] for record in plain()]
        assert numbers == sorted(set(numbers))
        for stderr in (False, True):
            texts = [str(record["message"]) for record in long() if record["isStdErr"] == stderr]
            assert [text for text in texts if text != "short"] == [
                f"{n} {'x' * 20_000}" for n in range(1, 41)
            ]
        assert {record["level"] for record in plain()} == {"info"}
        assert plain()[0]["source"] == {"type": "container", "name": f"plain-{name}"}


def test_units_are_read_by_pattern_with_their_priority(tmp_path: Path, journal: Journal) -> None:
    name = f"towline-{secrets.token_hex(4)}"
    with Run(tmp_path, f'{{type: journald, units: ["{name}-*"], kernel: false}}') as run:
        for number in range(50):
            journal.write(f"line {number}", SYSLOG_IDENTIFIER=f"{name}-one", PRIORITY="4")
            journal.write(f"line {number}", SYSLOG_IDENTIFIER=f"other-{name}")
        journal.write("two\nlines", SYSLOG_IDENTIFIER=f"{name}-two", PRIORITY="7")
        until(lambda: len(run.records(level="debug")) == 1, 30)
        (two,) = run.records(level="debug")
        assert (two["message"], two["source"]) == (
            "two\nlines",
            {"type": "host", "name": f"{name}-two"},
        )
        assert two["fields"]["identifier"] == f"{name}-two"
        warned = [record["message"] for record in run.records(serviceName=f"{name}-one")]
        assert warned == [f"line {number}" for number in range(50)]
        assert not run.records(serviceName=f"other-{name}")


def test_what_is_written_while_towline_is_away_is_read_when_it_is_back(
    tmp_path: Path, journal: Journal
) -> None:
    name = f"towline-{secrets.token_hex(4)}"
    run = Run(tmp_path, f'{{type: journald, units: ["{name}"], kernel: false}}')

    def write(*numbers: int) -> None:
        for number in numbers:
            journal.write(str(number), SYSLOG_IDENTIFIER=name)

    def stored() -> list[str]:
        return [record["message"] for record in run.records(serviceName=name)]

    write(1, 2)
    with run:
        until(lambda: stored() == ["1", "2"], 30)
    write(3, 4)
    with run:
        until(lambda: stored() == ["1", "2", "3", "4"], 30)
        write(5)
        until(lambda: stored() == ["1", "2", "3", "4", "5"], 30)


def test_a_journal_that_cannot_be_read_is_said_and_tried_again(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with Run(tmp_path, f'{{type: journald, path: "{nowhere}"}}') as run:
        log = tmp_path / "towline.log"
        until(lambda: "the journal cannot be read" in log.read_text(), 30)
        assert run.process.running
