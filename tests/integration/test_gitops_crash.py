"""`kill -9` at every point of a sync: the tree in force is a whole one, and the next sync mends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.gitops_rig import FILE, GOOD, Follower, Repository, settings, whole

ROOT = Path(__file__).parents[2]
POINTS = ["fetched", "listed", "writing", "described", "made", "verified", "linked"]
FILES = {f"shared/{name}.yaml": f"{name}: 1\n" for name in "abc"}


def killed(url: str, data: Path, point: str, before: int = 0) -> None:
    """Sync in a process of its own that is killed at a point."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.integration.gitops_child",
            url,
            str(data),
            point,
            str(before),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "origin"
    folder.mkdir()
    return Repository(folder)


async def test_a_tree_is_in_force_whole_or_not_at_all_wherever_towline_is_killed(
    repository: Repository, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    tip = repository.commit({FILE: GOOD % 1, **FILES})
    killed(repository.url, data, "writing", 2)
    assert whole(data, repository) is None
    for number, point in enumerate(POINTS, 2):
        former = tip
        async with Follower(data, settings(repository.url)).sync as sync:
            status = await sync.sync_now()
        assert (status["state"], status["running"], status["edited"]) == ("in sync", former, [])
        tip = repository.commit({FILE: GOOD % number, **FILES, f"{point}.yaml": point})
        killed(repository.url, data, point, 2 if point == "writing" else 0)
        assert whole(data, repository) == former, point

    killed(repository.url, data, "swapped")
    assert whole(data, repository) == tip
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        assert follower.text == GOOD % number
        assert (await sync.sync_now())["state"] == "in sync"
    left = [path.name for path in (data / "config-git").rglob(".part*")]
    assert left == []


async def test_a_killed_git_leaves_no_lock_that_blocks(
    repository: Repository, tmp_path: Path
) -> None:
    repository.memory(1)
    async with Follower(tmp_path, settings(repository.url)).sync as sync:
        await sync.sync_now()
    mirror = tmp_path / "config-git" / "mirror.git"
    (mirror / "refs" / "towline" / "wanted.lock").touch()
    (mirror / "packed-refs.lock").touch()
    (mirror / "objects" / "tmp_obj_x").touch()
    tip = repository.memory(2)
    async with Follower(tmp_path, settings(repository.url)).sync as sync:
        status = await sync.sync_now()
    assert (status["state"], status["running"]) == ("in sync", tip)
    assert not list(mirror.rglob("tmp_obj*"))
