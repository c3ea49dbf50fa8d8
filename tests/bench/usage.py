"""What a process has used, from /proc."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_MEMORY = re.compile(r"^(Rss|Pss):\s+(\d+) kB", re.MULTILINE)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its threads so far, those that ended included (proc(5): stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


@dataclass(frozen=True, slots=True)
class Memory:
    """MB of memory: resident, and the same with what is shared divided by its users."""

    rss: float
    pss: float


def memory(pid: int) -> Memory:
    """What a process has in memory now."""
    found = dict(_MEMORY.findall(Path(f"/proc/{pid}/smaps_rollup").read_text()))
    return Memory(int(found["Rss"]) / 1024, int(found["Pss"]) / 1024)


def peak(pid: int) -> float:
    """MB that were resident at most so far (proc(5): VmHWM)."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")
