"""The watcher against real files and real notices of the kernel."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from towline.config.files import Files
from towline.config.watch import changes

OLD = "version: 1\n"
NEW = "version: 1\nstore: {memory: 5}\n"


class Watcher:
    """Reads a file and its secrets, and again with every change; holds what it has read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.stop = asyncio.Event()
        self.files = Files()
        self.read()

    def read(self) -> str:
        self.files = Files()
        data = self.files.read(self.file) or b""
        secrets = self.files.read(self.file.parent / "secrets.yaml") or b""
        return (data + secrets).decode()

    async def run(self) -> None:
        found = changes(lambda: self.files.seen, self.stop, debounce=0.05, poll=60, patience=0.4)
        async for _ in found:
            self.texts.put_nowait(self.read())

    async def next(self) -> str:
        return await asyncio.wait_for(self.texts.get(), 10)


Start = Callable[[Path], Watcher]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running: list[tuple[Watcher, asyncio.Task[None]]] = []

    def begin(file: Path) -> Watcher:
        watcher = Watcher(file)
        running.append((watcher, asyncio.create_task(watcher.run())))
        return watcher

    yield begin
    for watcher, task in running:
        watcher.stop.set()
        await asyncio.wait_for(task, 10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "towline.yaml"
    path.write_text(OLD)
    return path


def replace(file: Path, text: str) -> None:
    """As editors do: another file, renamed over the old one."""
    beside = file.with_name(".new")
    beside.write_text(text)
    beside.replace(file)


async def test_a_file_written_in_place_is_a_change(file: Path, start: Start) -> None:
    watcher = start(file)
    file.write_text(NEW)
    assert await watcher.next() == NEW


async def test_a_file_renamed_over_is_a_change_each_time(file: Path, start: Start) -> None:
    watcher = start(file)
    for text in (NEW, OLD + "# a\n", NEW + "# b\n"):
        replace(file, text)
        assert await watcher.next() == text


async def test_a_change_between_reading_and_watching_is_seen(file: Path, start: Start) -> None:
    watcher = start(file)
    file.write_text(NEW)  # nothing has run yet: no folder is watched
    assert await watcher.next() == NEW


async def test_a_link_that_is_swapped_as_kubernetes_does_is_a_change(
    tmp_path: Path, start: Start
) -> None:
    for name, text in (("one", OLD), ("two", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "towline.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "towline.yaml").symlink_to("..data/towline.yaml")
    watcher = start(tmp_path / "towline.yaml")
    (tmp_path / "..tmp").symlink_to("two")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    assert await watcher.next() == NEW


async def test_a_link_to_the_folder_is_followed_when_it_is_swapped(
    tmp_path: Path, start: Start
) -> None:
    for name, text in (("one", OLD), ("two", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "towline.yaml").write_text(text)
    (tmp_path / "current").symlink_to("one")
    watcher = start(tmp_path / "current" / "towline.yaml")
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(tmp_path / "current")
    assert await watcher.next() == NEW
    (tmp_path / "two" / "towline.yaml").write_text(OLD + "# again\n")
    assert await watcher.next() == OLD + "# again\n"


async def test_a_file_that_is_gone_for_a_moment_is_no_change(file: Path, start: Start) -> None:
    watcher = start(file)
    away = file.with_name("away")
    file.replace(away)
    replace(file.with_name("secrets.yaml"), "")  # a notice that is taken while the file is gone
    assert await watcher.next() == ""
    away.replace(file)
    assert await watcher.next() == OLD
    assert watcher.texts.empty()


async def test_a_touch_and_a_neighbour_are_no_change(file: Path, start: Start) -> None:
    watcher = start(file)
    os.utime(file)
    file.with_name("neighbour.yaml").write_text("x")
    replace(file, OLD)
    replace(file, NEW)
    assert await watcher.next() == NEW
    assert watcher.texts.empty()


async def test_a_secrets_file_that_appears_is_a_change(file: Path, start: Start) -> None:
    watcher = start(file)
    file.with_name("secrets.yaml").write_text("a: b\n")
    assert await watcher.next() == OLD + "a: b\n"


async def test_a_file_that_shrank_is_waited_for(file: Path, start: Start) -> None:
    whole = NEW + "# a long comment that is written again\n" * 10
    file.write_text(whole)
    watcher = start(file)
    with file.open("w") as half:
        half.write(whole[:20])
        half.flush()
        assert not await _anything(watcher, 0.25)
        half.write(whole[20:] + "# new\n")
    assert await watcher.next() == whole + "# new\n"
    assert watcher.texts.empty()


async def _anything(watcher: Watcher, seconds: float) -> bool:
    """Whether the watcher reads within a while that is shorter than its patience."""
    waiting = asyncio.ensure_future(watcher.texts.get())
    done, _ = await asyncio.wait([waiting], timeout=seconds)
    waiting.cancel()
    return bool(done)


async def test_many_edits_are_taken_together_and_the_last_one_wins(
    file: Path, start: Start
) -> None:
    watcher = start(file)
    for number in range(200):
        replace(file, f"{OLD}# {number}\n")
        await asyncio.sleep(0)
    taken = 0
    while (await watcher.next()) != f"{OLD}# 199\n":
        taken += 1
    assert taken <= 20


async def test_without_notices_it_looks_from_time_to_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> AsyncIterator[None]:
        raise OSError("no space left for watches")

    monkeypatch.setattr("watchfiles.awatch", refused)
    files, stop = Files(), asyncio.Event()
    files.read(file)
    found = changes(lambda: files.seen, stop, debounce=0.05, poll=0.05)
    waiting = asyncio.ensure_future(anext(found))
    await asyncio.sleep(0)
    file.write_text(NEW)
    await asyncio.wait_for(waiting, 10)
    stop.set()
    assert await anext(found, "ended") == "ended"


@pytest.mark.parametrize("kind", ["folder", "pipe"])
async def test_something_else_in_the_files_place_is_no_change(
    file: Path, start: Start, kind: str
) -> None:
    watcher = start(file)
    file.unlink()
    if kind == "folder":
        file.mkdir()
        file.rmdir()
    else:
        os.mkfifo(file)
        assert not await _anything(watcher, 0.3)
        file.unlink()
    file.write_text(NEW)
    assert await watcher.next() == NEW
