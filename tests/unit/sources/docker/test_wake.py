from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from towline.sources.docker.wake import Waker


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    number = os.open(tmp_path / "log", os.O_RDONLY | os.O_CREAT)
    yield number
    os.close(number)


async def test_a_file_that_changes_wakes_who_waits_for_it_once(tmp_path: Path, file: int) -> None:
    waker, bell = Waker(), asyncio.Event()
    for change in (
        lambda: (tmp_path / "log").write_text("x"),
        lambda: (tmp_path / "log").rename(tmp_path / "log.1"),
        lambda: os.truncate(tmp_path / "log.1", 0),
        lambda: (tmp_path / "log.1").unlink(),
    ):
        assert waker.arm(file, bell)
        assert not bell.is_set()
        change()
        async with asyncio.timeout(10):
            await bell.wait()
        bell.clear()
    waker.close()


async def test_each_is_woken_by_its_own_file_and_no_more_once_forgotten(
    tmp_path: Path, file: int
) -> None:
    with (tmp_path / "other").open("ab", buffering=0) as other:
        waker, bell, others = Waker(), asyncio.Event(), asyncio.Event()
        assert waker.arm(file, bell)
        assert waker.arm(other.fileno(), others)
        other.write(b"x")
        async with asyncio.timeout(10):
            await others.wait()
        assert not bell.is_set()
        waker.forget(bell)
        (tmp_path / "log").write_text("x")
        assert waker.arm(other.fileno(), others)
        others.clear()
        other.write(b"x")
        async with asyncio.timeout(10):
            await others.wait()
        assert not bell.is_set()
        waker.close()


async def test_closed_it_can_be_used_again_and_leaves_nothing_open(file: int) -> None:
    before = os.listdir("/proc/self/fd")
    waker = Waker()
    for _ in range(3):
        assert waker.arm(file, asyncio.Event())
        waker.close()
        waker.close()
    assert len(os.listdir("/proc/self/fd")) == len(before)


async def test_where_nothing_can_be_watched_it_is_said() -> None:
    waker = Waker()
    assert not waker.arm(10**6, asyncio.Event())
    waker.close()
