"""A running Towline that follows a repository, and what it shows of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.real.broker import free_port
from tests.real.listener import Listener
from tests.real.until import auntil
from towline.app import Towline
from towline.config.environment import Overrides
from towline.runtime.configuration import Options
from towline.store.query import Query


@asynccontextmanager
async def running(file: Path, data: Path, listen: str | None = "") -> AsyncIterator[Towline]:
    address = f"127.0.0.1:{free_port()}" if listen == "" else listen
    overrides = Overrides(data=str(data), listen=address)
    environment = {"PATH": os.environ["PATH"]}
    towline = Towline(Options(file=file, environment=environment, overrides=overrides))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(towline.run())
        await auntil(lambda: hasattr(towline, "store") and "api" in towline.status())
        yield towline
        towline.stop()


def shown(towline: Towline) -> dict[str, Any]:
    found: dict[str, Any] = towline.status()["git"]["git"]
    return found


async def in_force(towline: Towline, commit: str) -> None:
    await auntil(lambda: shown(towline)["running"] == commit)
    await auntil(lambda: shown(towline)["state"] == "in sync")


def arrived(listener: Listener, topic: str) -> bool:
    return any(message.topic.startswith(topic + "/") for message in list(listener.messages))


async def told(towline: Towline) -> list[tuple[str, str]]:
    """Level and text of what was put on record of the repository, oldest first."""
    query = Query(text="repository ", limit=100, newest_first=False)
    records = (await towline.store.query(query)).records
    return [(record.level, record.message) for record in records]
