"""The git command on a leash: time, output, children, secrets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.gitops_rig import ENVIRONMENT, command_lines
from tests.real.until import auntil
from towline.gitops.command import Git, Watch
from towline.gitops.reasons import Damaged, GitFailed, TooLarge


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path, ENVIRONMENT, ("t0ken",))


def slow(mark: str) -> tuple[str, ...]:
    """A git whose child sleeps; the mark makes it known among all processes."""
    return ("-c", f"alias.slow=!sleep 300.{mark}; true", "slow")


async def test_a_git_that_takes_too_long_ends_with_its_children(git: Git) -> None:
    with pytest.raises(GitFailed, match="no answer in time"):
        await git.run(*slow("111"), limit=0.3)
    await auntil(lambda: "300.111" not in command_lines())


async def test_a_cancelled_git_ends_with_its_children(git: Git) -> None:
    task = asyncio.create_task(git.run(*slow("222"), limit=60))
    await auntil(lambda: "sleep 300.222" in command_lines())
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await auntil(lambda: "300.222" not in command_lines())


async def test_no_moment_of_a_start_is_bad_for_a_cancellation(git: Git) -> None:
    for milliseconds in range(30):
        task = asyncio.create_task(git.run(*slow("444"), limit=60))
        await asyncio.wait([task], timeout=milliseconds / 1000)
        task.cancel()
        await asyncio.wait([task])
    await auntil(lambda: "300.444" not in command_lines())


async def test_a_git_that_fills_the_disk_is_ended(git: Git, tmp_path: Path) -> None:
    watch = Watch(lambda: 2 << 20, 1 << 20)
    with pytest.raises(TooLarge, match="larger than 1 MiB"):
        await git.run(*slow("333"), limit=60, watch=watch)
    await auntil(lambda: "300.333" not in command_lines())


async def test_a_git_that_prints_too_much_is_ended(git: Git) -> None:
    with pytest.raises(TooLarge):
        await git.run("-c", "alias.y=!yes", "y", limit=60, most=100_000)


async def test_what_is_printed_is_told_whole_and_without_secrets(git: Git) -> None:
    done = await git.run("-c", "alias.say=!cat; echo fatal: t0ken is old >&2", "say",
                         feed=b"x" * 500_000, limit=60)  # fmt: skip
    assert (done.code, len(done.out), done.said) == (0, 500_000, "fatal: *** is old\n")
    with pytest.raises(Damaged) as caught:
        await git.ask("-c", "alias.say=!echo fatal: t0ken is old >&2; false", "say")
    assert str(caught.value) == "*** is old"


async def test_a_git_that_reads_nothing_is_no_fault(git: Git) -> None:
    assert (await git.run("version", feed=b"x" * 1_000_000, limit=60)).code == 0
