"""A Towline of the tests that syncs once and dies by `kill -9` at a named point.

Arguments: url, data folder, name of the point, how often it is passed before.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.integration.gitops_rig import Follower, settings


async def main(url: str, data: Path, point: str, before: int) -> None:
    left = before

    def at(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async with Follower(data, settings(url), at=at).sync as sync:
        await sync.sync_now()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
