from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, os, resource, subprocess, sys
from towline.process import forbid_cores
forbid_cores()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
print(os.path.exists(f"/proc/self/fd/{os.memfd_create('x')}"), os.listdir("/proc/self/fd") != [])
subprocess.run(["sh", "-c", "ulimit -c"], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_that_forbids_cores_leaves_none_and_still_reads_its_own_files() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True
    )
    assert sorted(done.stdout.splitlines()) == ["(0, 0) 0", "0", "True True"]


HEAPS = """
import ctypes, sys, threading
from towline.process import share_heap
if "shared" in sys.argv:
    share_heap()
kept = []
thread = threading.Thread(target=lambda: kept.append(bytes(100_000)))
thread.start()
thread.join()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has several heaps")
@pytest.mark.parametrize(("words", "heaps"), [(["shared"], 1), ([], 2)])
def test_threads_of_a_process_that_shares_its_heap_have_none_of_their_own(
    words: list[str], heaps: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAPS, *words],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stderr.count("Arena ") == heaps
