"""A Towline that is stopped while it asks a repository: it ends, and leaves nothing half done."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.git_app_rig import in_force, running, shown
from tests.integration.gitops_rig import Repository, command_lines, git, whole
from tests.real.until import auntil

PATIENCE = 60.0
"""Seconds after which an end is taken for none."""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def own_file(folder: Path, url: str) -> Path:
    file = folder / "towline.yaml"
    follow = f'git: {{url: "{url}", interval: 24h}}'
    file.write_text(f"version: 1\ndevice: {{id: pi}}\nsources: {{}}\n{follow}\n")
    return file


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that takes requests and never answers; an event for the first one."""
    asked = asyncio.Event()
    gone = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fleet.git", asked
        async with asyncio.timeout(PATIENCE):
            await gone.wait()


@pytest.mark.parametrize("seed", range(3))
async def test_stopped_at_any_moment_of_a_sync_it_ends_and_goes_on_later(
    repository: Repository, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    file, data = own_file(tmp_path, repository.url), tmp_path / "data"
    repository.memory(1)
    for number in range(2, 10):
        async with asyncio.timeout(PATIENCE), running(file, data) as towline:
            repository.memory(number)
            asking = asyncio.create_task(towline.reload())
            await asyncio.sleep(chance.random() * 0.1)
        await asyncio.wait([asking])
        commits = git(repository.bare, "rev-list", "main").splitlines()
        assert whole(data, repository) in (None, *commits)
    tip = repository.memory(99)
    async with running(file, data) as towline:
        await in_force(towline, tip)


async def test_a_server_that_never_answers_holds_up_no_end(tmp_path: Path) -> None:
    async with silent_server() as (url, asked):
        file = own_file(tmp_path, url)
        async with asyncio.timeout(PATIENCE), running(file, tmp_path / "data") as towline:
            await asked.wait()
            assert shown(towline)["state"] == "starting"
            asking = asyncio.create_task(towline.reload())
        await asyncio.wait([asking])
        await auntil(lambda: url not in command_lines())
