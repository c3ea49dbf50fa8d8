"""Collects a container's log with Towline's library and looks at what it says.

python docs/examples/library.py CONTAINER [DATA_FOLDER]
"""

import asyncio
import os
import sys

import towline

DOCKER = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


async def main(container: str, folder: str) -> None:
    """Attach, wait for the first line, ask, clean up."""
    async with towline.open_store(folder, device="workshop") as log:
        log.system("backup began")
        log.manager("routing changed", level="warn")

        new = log.follow(container=container)
        await log.attach(container, docker=DOCKER)
        async with asyncio.timeout(10):
            first = await anext(new)
        print("first:", first.level, first.message)

        page = await log.query(min_level="warn", since="1h", limit=5)
        for record in reversed(page.records):
            print(record.level, record.origin.name, record.message)
        print("stored:", await log.count())

        gone = await log.clean_up(max_age="24h")
        print("removed:", gone)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "data"))
