from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, os, resource, subprocess, sys
from towline.cores import forbid_cores
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
