"""The watcher against real files and real notices of the kernel."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.real.until import auntil
from towline.config.files import Files, Seen, is_being_written
from towline.config.watch import changes

OLD = "version: 1\n"
NEW = "version: 1\nstore: {memory: 5}\n"


class Watcher:
    """Reads a file, its secrets and further files, again with every change; holds the texts."""

    def __init__(self, file: Path, debounce: float, patience: float) -> None:
        self.file = file
        self.debounce = debounce
        self.patience = patience
        self.further: list[Path] = []
        self.folders: list[Path] = []
        self.looks = 0
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.stop = asyncio.Event()
        self.files = Files()
        self.read()

    def read(self) -> str:
        self.files = Files()
        paths = [self.file, self.file.parent / "secrets.yaml", *self.further]
        for folder in self.folders:
            paths += [folder / name for name in self.files.names(folder) or ()]
        return b"".join(self.files.read(path) or b"" for path in paths).decode()

    async def run(self) -> None:
        patience = self.patience
        found = changes(self.seen, self.stop, debounce=self.debounce, poll=60, patience=patience)
        async for _ in found:
            self.texts.put_nowait(self.read())

    def seen(self) -> Seen:
        self.looks += 1
        return self.files.seen

    async def rests(self) -> None:
        """Until it watches and has nothing left to look at: what follows needs a notice."""
        before = -1
        while before != self.looks:
            before = self.looks
            await asyncio.sleep(0.25)

    async def looks_again(self, times: int = 3) -> None:
        """Until it has looked so many times more."""
        wanted = self.looks + times
        await auntil(lambda: self.looks >= wanted)

    async def next(self) -> str:
        return await asyncio.wait_for(self.texts.get(), 10)


Start = Callable[..., Watcher]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running: list[tuple[Watcher, asyncio.Task[None]]] = []

    def begin(file: Path, debounce: float = 0.05, patience: float = 30) -> Watcher:
        watcher = Watcher(file, debounce, patience)
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
    await watcher.rests()
    file.write_text(NEW)
    assert await watcher.next() == NEW


async def test_a_file_renamed_over_is_a_change_each_time(file: Path, start: Start) -> None:
    watcher = start(file)
    for text in (NEW, OLD + "# a\n", NEW + "# b\n"):
        await watcher.rests()
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
    await watcher.rests()
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
    await watcher.rests()
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(tmp_path / "current")
    assert await watcher.next() == NEW
    await watcher.rests()
    (tmp_path / "two" / "towline.yaml").write_text(OLD + "# again\n")
    assert await watcher.next() == OLD + "# again\n"


async def test_a_folder_that_another_one_replaces_is_followed(tmp_path: Path, start: Start) -> None:
    for name, text in (("one", OLD), ("two", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "towline.yaml").write_text(text)
    watcher = start(tmp_path / "one" / "towline.yaml")
    await watcher.rests()
    (tmp_path / "one").rename(tmp_path / "away")
    (tmp_path / "two").rename(tmp_path / "one")
    assert await watcher.next() == NEW
    await watcher.rests()
    (tmp_path / "one" / "towline.yaml").write_text(OLD + "# again\n")
    assert await watcher.next() == OLD + "# again\n"


async def test_a_file_that_is_gone_for_a_moment_is_no_change(file: Path, start: Start) -> None:
    watcher = start(file)
    await watcher.rests()
    away = file.with_name("away")
    file.replace(away)
    await watcher.looks_again()
    away.replace(file)
    await watcher.rests()
    assert watcher.texts.empty()
    replace(file, NEW)
    assert await watcher.next() == NEW


async def test_a_touch_and_a_neighbour_are_no_change(file: Path, start: Start) -> None:
    watcher = start(file)
    await watcher.rests()
    os.utime(file)
    file.with_name("neighbour.yaml").write_text("x")
    replace(file, OLD)
    await watcher.rests()
    assert watcher.texts.empty()


async def test_other_files_of_the_folder_wake_nobody(file: Path, start: Start) -> None:
    watcher = start(file)
    await watcher.rests()
    looks = watcher.looks
    file.with_name("database").write_text("x")
    await watcher.rests()
    assert watcher.looks == looks


async def test_files_that_a_change_brings_are_watched_at_once(
    file: Path, tmp_path: Path, start: Start
) -> None:
    watcher = start(file)
    await watcher.rests()
    (tmp_path / "below").mkdir()
    watcher.further.append(tmp_path / "below" / "more.yaml")
    replace(file, NEW)
    assert await watcher.next() == NEW
    await watcher.rests()
    watcher.further[0].write_text("# more\n")
    assert await watcher.next() == NEW + "# more\n"


async def test_a_secrets_file_that_appears_is_a_change(file: Path, start: Start) -> None:
    watcher = start(file)
    await watcher.rests()
    file.with_name("secrets.yaml").write_text("a: b\n")
    assert await watcher.next() == OLD + "a: b\n"


async def test_a_file_that_is_being_written_is_waited_for(file: Path, start: Start) -> None:
    watcher = start(file, debounce=0.3)
    with file.open("a") as growing:
        for number in range(15):
            growing.write(f"# {number}\n")
            growing.flush()
            await asyncio.sleep(0.05)
    assert (await watcher.next()).endswith("# 14\n")


async def test_a_file_that_a_program_still_writes_is_waited_for(file: Path, start: Start) -> None:
    if is_being_written(file) is None:
        pytest.skip("a file system without leases")
    watcher = start(file)
    await watcher.rests()
    whole = "# a comment\n" * 10 + NEW
    with file.open("w") as half:
        for row in whole.splitlines(keepends=True):
            half.write(row)
            half.flush()
            await watcher.looks_again()
        assert watcher.texts.empty()
    assert await watcher.next() == whole
    assert watcher.texts.empty()


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
async def test_what_may_be_the_beginning_of_a_text_is_waited_for(
    file: Path, start: Start, part: float
) -> None:
    whole = NEW + "# a long comment that is written again\n" * 10
    file.write_text(whole)
    watcher = start(file)
    await watcher.rests()
    rows = whole.splitlines(keepends=True)
    file.write_text("".join(rows[: round(len(rows) * part)]))
    await watcher.looks_again()
    assert watcher.texts.empty()
    file.write_text(whole + "# new\n")
    assert await watcher.next() == whole + "# new\n"
    assert watcher.texts.empty()


async def test_a_shorter_text_in_another_file_is_a_change_at_once(file: Path, start: Start) -> None:
    file.write_text(NEW + OLD)
    watcher = start(file)
    await watcher.rests()
    replace(file, NEW)
    assert await watcher.next() == NEW


async def test_a_text_whose_last_line_was_cut_is_waited_for(file: Path, start: Start) -> None:
    watcher = start(file)
    await watcher.rests()
    file.write_text(NEW.rstrip())
    await watcher.looks_again()
    assert watcher.texts.empty()
    file.write_text(NEW)
    assert await watcher.next() == NEW


async def test_what_looks_unfinished_is_a_change_when_it_stays_so(file: Path, start: Start) -> None:
    file.write_text(NEW)
    watcher = start(file, patience=0.3)
    await watcher.rests()
    with file.open("w") as held:
        held.write(OLD)
        held.flush()
        assert await watcher.next() == OLD


async def test_a_file_that_is_gone_for_good_is_a_change(file: Path, start: Start) -> None:
    watcher = start(file, patience=0.3)
    await watcher.rests()
    file.unlink()
    assert await watcher.next() == ""
    await watcher.rests()
    assert watcher.texts.empty()
    file.write_text(OLD)
    assert await watcher.next() == OLD


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting is root's")
async def test_a_file_that_is_mounted_alone_is_watched(
    file: Path, tmp_path: Path, start: Start
) -> None:
    inside = tmp_path / "in side" / "towline.yaml"
    inside.parent.mkdir()
    inside.touch()
    subprocess.run(["mount", "--bind", str(file), str(inside)], check=True)
    try:
        watcher = start(inside)
        for text in (NEW, NEW.replace("5", "6"), NEW.replace("5", "7")):
            await watcher.rests()
            file.write_text(text)
            assert await watcher.next() == text
        watcher.stop.set()
    finally:
        subprocess.run(["umount", str(inside)], check=True)


async def test_many_edits_are_taken_together_and_the_last_one_wins(
    file: Path, start: Start
) -> None:
    watcher = start(file)
    await watcher.rests()
    for number in range(200):
        replace(file, f"{OLD}# {number}\n")
        await asyncio.sleep(0)
    taken = 0
    while (await watcher.next()) != f"{OLD}# 199\n":
        taken += 1
    assert taken <= 20


async def test_without_notices_it_looks_from_time_to_time(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
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
    assert "cannot be watched" in caplog.text
    stop.set()
    assert await anext(found, "ended") == "ended"


@pytest.mark.parametrize("kind", ["folder", "pipe"])
async def test_something_else_in_the_files_place_is_no_change(
    file: Path, start: Start, kind: str
) -> None:
    watcher = start(file)
    await watcher.rests()
    file.unlink()
    if kind == "folder":
        file.mkdir()
        file.rmdir()
    else:
        os.mkfifo(file)
        await watcher.looks_again()
        assert watcher.texts.empty()
        file.unlink()
    file.write_text(NEW)
    assert await watcher.next() == NEW


async def test_files_of_an_included_folder_are_seen_to_come_change_and_go(
    start: Start, file: Path
) -> None:
    folder = file.parent / "brokers"
    folder.mkdir()
    watcher = start(file)
    watcher.folders = [folder]
    watcher.read()
    await watcher.rests()
    (folder / "a.yaml").write_text("a: 1\n")
    assert "a: 1" in await watcher.next()
    await watcher.rests()
    (folder / "a.yaml").write_text("a: 2\n")
    assert "a: 2" in await watcher.next()
    await watcher.rests()
    (folder / "readme.txt").write_text("nothing\n")
    (folder / "a.yaml").rename(folder / "b.yaml")
    assert "a: 2" in await watcher.next()
    await watcher.rests()
    (folder / "b.yaml").unlink()
    assert "a:" not in await watcher.next()
    assert watcher.texts.empty()


async def test_a_missing_included_folder_is_seen_to_come(start: Start, file: Path) -> None:
    watcher = start(file)
    watcher.folders = [file.parent / "brokers"]
    watcher.read()
    await watcher.rests()
    (file.parent / "brokers").mkdir()
    (file.parent / "brokers" / "a.yaml").write_text("a: 1\n")
    while "a: 1" not in await watcher.next():
        pass
