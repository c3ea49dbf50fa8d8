from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.unit.api import world as worlds


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[worlds.World]:
    async with worlds.world(tmp_path) as found:
        yield found


@pytest.fixture
async def api(world: worlds.World) -> AsyncIterator[httpx.AsyncClient]:
    async with worlds.client(world) as client:
        yield client
