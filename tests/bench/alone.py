"""A program: Towline's reader of streams on several containers, without what comes behind it.

`python -m tests.bench.alone SOCKET SECONDS ID ...` prints rows, seconds and CPU seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time

from tests.bench.bare import API
from towline.sources.docker.address import Address
from towline.sources.docker.frames import FramedRows
from towline.sources.docker.stream import open_stream


class Count:
    """Rows so far."""

    def __init__(self) -> None:
        self.rows = 0

    def feeder(self) -> FeedOne:
        """What one stream feeds."""
        return FeedOne(self)


class FeedOne:
    """Cuts one stream into rows and counts them."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._cut = FramedRows()

    def __call__(self, data: bytes) -> None:
        self._count.rows += len(self._cut.feed(data))


async def read(path: str, seconds: float, ids: list[str]) -> None:
    """Follow the containers; measure from the second second on."""
    count = Count()
    engine = Address.parse(f"unix://{path}")
    streams = [
        await open_stream(engine, API.format(id_, "follow=1&tail=0"), count.feeder()) for id_ in ids
    ]
    await asyncio.sleep(1)
    rows, at, cpu = count.rows, time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    print(count.rows - rows, time.monotonic() - at, time.process_time() - cpu)
    for stream in streams:
        stream.close()


if __name__ == "__main__":
    asyncio.run(read(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
