"""Malformed configurations are settings or problems, in bounded time and memory.

A short form; all of it: `python tests/faults/malformed.py --n 10000`.
"""

from __future__ import annotations

import subprocess
import sys

from tests.faults import malformed
from tests.faults.mutate import KINDS

FILES = 16 * len(KINDS)


def test_no_malformed_file_crashes_hangs_or_takes_memory() -> None:
    command = [sys.executable, malformed.__file__, "--n", str(FILES), "--seed", "7"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert found.returncode == 0, found.stdout + found.stderr
    _, *kinds, total = found.stdout.splitlines()
    assert len(kinds) == len(KINDS)
    assert total.split()[:2] == ["all", str(FILES)]
    assert total.split()[4] == "0"
