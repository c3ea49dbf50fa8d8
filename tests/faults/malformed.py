"""Thousands of malformed configuration files: `python tests/faults/malformed.py --n 10000`.

Each is read in a process that ends itself after `PATIENCE` seconds with one file and cannot have
more than `MOST_MEMORY` bytes beyond what it began with. What must come of a file is settings or
problems, each with a place that exists, none with a secret in it. Prints a table; exit code 1
where a file did anything else, with that file kept for a look.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import posixpath
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import process_time
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]  # what stands here, whatever is installed

from tests.faults.mutate import KINDS, Files  # noqa: E402
from towline.config.encrypted import KEY, Keys  # noqa: E402
from towline.config.load import load  # noqa: E402
from towline.config.problems import as_annotations, as_json, as_text  # noqa: E402
from towline.config.reader import nothing  # noqa: E402
from towline.errors import ConfigError, Problem  # noqa: E402
from towline.kinds import BACKENDS, SOURCES  # noqa: E402

PATIENCE = 10.0
MOST_MEMORY = 100 << 20
FOLDER = Path("/config")
PASSWORD = "correct-horse-battery"
SECRETS = (
    f"mqtt_password: {PASSWORD}\nmqtt_user: {PASSWORD}-user\ngrafana_token_hash: {'0a' * 32}\n"
)
ENVIRONMENT = {KEY: "a2V5IG9mIHRoZSBtYWxmb3JtZWQgZmlsZXMgb25seSE="}
BREAK = re.compile(b"\r\n|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]")


class Held:
    """Files in memory, with one link that leads out of the folder."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = {str(FOLDER / name): data for name, data in files.items()}

    def __call__(self, path: Path) -> bytes | None:
        return self._files.get(posixpath.normpath(path))

    def names(self, folder: Path) -> list[str] | None:
        found = [Path(name).name for name in self._files if Path(name).parent == folder]
        return sorted(name for name in found if name.endswith(".yaml")) if found else None

    def real(self, path: Path) -> Path:
        return Path("/outside.yaml") if path.name == "link.yaml" else path

    def is_open(self, path: Path) -> bool:
        return path.name == "secrets.yaml"


def sound() -> list[bytes]:
    """Files to begin with."""
    shipped = (ROOT / "config" / "towline.yaml").read_text()
    everything = re.sub(r"(?m)^#(?! \S|$)", "", shipped).encode()
    corpus = ROOT / "tests" / "unit" / "config" / "files"
    found = [
        *sorted(corpus.glob("*.good.yaml")),
        *sorted((ROOT / "config/examples").glob("*.yaml")),
    ]
    return [everything, *(file.read_bytes() for file in found)]


def spoilt(seed: int, number: int, begin: list[bytes]) -> tuple[str, Files]:
    """The malformed file of a number, always the same one, and how it was spoilt."""
    random = Random(f"{seed}:{number}")
    spoil = KINDS[number % len(KINDS)]
    token = Keys(nothing, FOLDER, ENVIRONMENT).encrypt(PASSWORD).encode()
    files = Files(random.choice(begin), {"secrets.yaml": SECRETS.encode(), "token": token})
    files.beside["parts/a.yaml"] = b"type: mqtt\nbroker: home\n"
    files.beside["link.yaml"] = b"x: 1\n"
    spoil(random, files)
    return spoil.__name__.replace("_", " "), files


def outcome(files: Files) -> tuple[str, list[Problem]]:
    """`loaded`, or the code of the first problem, and all problems; raises what must not be."""
    warnings: list[Problem] = []
    problems: tuple[Problem, ...] = ()
    try:
        load(
            files.text,
            SOURCES,
            BACKENDS,
            file=FOLDER / "towline.yaml",
            environment=ENVIRONMENT,
            read=Held(files.beside),
            warn=warnings.append,
            disk_size=lambda _: 10**9,
        )
    except ConfigError as exc:
        problems = exc.problems
        assert problems, "refused without a problem"
    return problems[0].code if problems else "loaded", [*problems, *warnings]


def inspect(problems: list[Problem], files: Files) -> None:
    """Raise `AssertionError` where a problem is not one for its author."""
    held = {"towline.yaml": files.text, **files.beside}
    for problem in problems:
        name = problem.file.removeprefix(f"{FOLDER}/")
        lines = sum(1 for _ in BREAK.finditer(held.get(name, b"")))
        assert 1 <= problem.line <= lines + 2, f"line {problem.line} of {name}"
        assert problem.column >= 1, f"column {problem.column}"
    shown = as_text(problems) + json.dumps(as_json(problems)) + as_annotations(problems)
    assert PASSWORD not in shown or PASSWORD.encode() in files.text, "a secret is shown"
    assert len(problems) <= 200, "more problems than anybody reads"


@dataclass(slots=True)
class Row:
    """What came of one kind."""

    loaded: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0


def work(seed: int, first: int, end: int) -> None:
    """Read files one after the other; a line of JSON before and after each."""
    begin = sound()
    for number in range(len(KINDS)):  # what is imported late must not count as a file's memory
        _watched(spoilt(seed, number, begin)[1])
    now = _memory()
    resource.setrlimit(resource.RLIMIT_DATA, (now + MOST_MEMORY, now + MOST_MEMORY))
    for number in range(first, end):
        kind, files = spoilt(seed, number, begin)
        print(json.dumps([number, kind]), flush=True)
        print(json.dumps(_watched(files)), flush=True)


def _watched(files: Files) -> tuple[str, float]:
    """What came of a file, an exception behind an exclamation mark; seconds of processor."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    started = process_time()
    try:
        came, problems = outcome(files)
        took = process_time() - started
        inspect(problems, files)
    except BaseException as exc:
        came, took = f"! {type(exc).__name__}: {exc}", process_time() - started
    faulthandler.cancel_dump_traceback_later()
    return came, took


def _memory() -> int:
    """Bytes of memory that can be written to (what RLIMIT_DATA counts)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmData:")[2].split()[0]) << 10


def run(n: int, seed: int) -> dict[str, Row]:
    """Every kind with what came of its files; a process that ends is replaced by another."""
    rows: dict[str, Row] = {}
    number = 0
    while number < n:
        command = [sys.executable, __file__, "--worker", str(number), "--n", str(n)]
        with subprocess.Popen(
            [*command, "--seed", str(seed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as worker:
            assert worker.stdout is not None
            assert worker.stderr is not None
            number = _collect(worker.stdout, rows, number)
            worker.stdout.close()
            trouble = worker.stderr.read().strip().splitlines()[-3:]
        if number < n:
            kind = spoilt(seed, number, sound())[0]
            reason = f"{number}: the process ended with {worker.returncode}: {' '.join(trouble)}"
            rows.setdefault(kind, Row()).failed.append(reason)
            number += 1
    return rows


def _collect(lines: IO[str], rows: dict[str, Row], number: int) -> int:
    """Take a worker's lines; the number of the file that it did not come through, or the end."""
    while line := lines.readline():
        number, kind = json.loads(line)
        after = lines.readline()
        if not after:
            return number
        came, took = json.loads(after)
        row = rows.setdefault(kind, Row())
        row.slowest = max(row.slowest, took)
        if came == "loaded":
            row.loaded += 1
        elif came.startswith("! "):
            row.failed.append(f"{number}: {came[2:]}")
        else:
            row.refused[came] += 1
        number += 1
    return number


def table(rows: dict[str, Row]) -> str:
    """Kinds and outcomes; the codes of a kind are those that came most often."""
    head = f"{'kind':<24}{'files':>7}{'loaded':>8}{'refused':>9}{'failed':>8}{'slowest':>10}  codes"
    lines = [head]
    total = Row()
    for kind, row in rows.items():
        lines.append(_line(kind, row))
        total.loaded += row.loaded
        total.refused += row.refused
        total.failed += row.failed
        total.slowest = max(total.slowest, row.slowest)
    return "\n".join([*lines, _line("all", total)])


def _line(kind: str, row: Row) -> str:
    refused, failed = sum(row.refused.values()), len(row.failed)
    codes = ", ".join(f"{code} {count}" for code, count in row.refused.most_common(4))
    numbers = f"{row.loaded + refused + failed:>7}{row.loaded:>8}{refused:>9}{failed:>8}"
    return f"{kind:<24}{numbers}{row.slowest * 1000:>7.0f} ms  {codes}"


def main() -> int:
    """Read `--n` files and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker is not None:
        work(given.seed, given.worker, given.n)
        return 0
    rows = run(given.n, given.seed)
    print(table(rows))
    failed = [reason for row in rows.values() for reason in row.failed]
    for reason in failed:
        number = int(reason.partition(":")[0])
        _, files = spoilt(given.seed, number, sound())
        kept = Path(tempfile.mkdtemp(prefix=f"malformed-{number}-"))
        for name, data in {"towline.yaml": files.text, **files.beside}.items():
            (kept / name.replace("/", "_")).write_bytes(data)
        print(f"{reason}\n    kept in {kept}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
