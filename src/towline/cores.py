"""No image of this process on disk: the configuration's secrets are in its memory."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4
"""linux/prctl.h. At 0 no core is written, not even to a pipe (kernel.core_pattern), and nobody
without the right to trace every process reads our memory.
"""


def forbid_cores() -> None:
    """From now on a crash leaves no core file; programs that we start leave none either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # where there is no ctypes or no prctl, the limit above still holds for files
        with suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
