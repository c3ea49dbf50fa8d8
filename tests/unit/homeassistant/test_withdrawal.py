from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from tests.real.until import auntil
from towline.homeassistant.memory import Announced, Memory
from towline.homeassistant.names import Place
from towline.homeassistant.withdrawal import Withdrawal


class Held:
    """A broker's connection, as far as it keeps topics."""

    def __init__(self) -> None:
        self.topics: dict[str, bytes] = {}

    def keep(self, topic: str, payload: bytes) -> None:
        self.topics[topic] = payload


async def test_everything_that_was_announced_is_taken_back_and_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "homeassistant.json"
    memory = Memory(file)
    web, home = Place("homeassistant", "pi", "web"), Place("homeassistant", "pi")
    memory.put(web.discovery, Announced("web", "docker", 0.0))
    memory.put(home.discovery, Announced("Living room Pi", "", 0.0))
    memory.save()
    held = Held()
    withdrawal = Withdrawal("pi", "homeassistant", cast("Any", held), file)
    async with withdrawal:
        task = asyncio.create_task(withdrawal.run())
        await auntil(lambda: len(held.topics) >= 2 + len(web.kept) + len(home.kept))
        await auntil(lambda: file.read_text() == "{}")
        task.cancel()
    assert set(held.topics.values()) == {b""}
    assert {web.discovery, home.discovery, web.state, home.state} <= held.topics.keys()
