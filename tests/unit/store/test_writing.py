import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.store.rig import MS, WEB, Rig, everything, messages, numbered, opened, stored
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, time_text
from towline.status import State
from towline.store.checkpoints import Checkpoint
from towline.store.ring import MOST_BYTES
from towline.store.upkeep import Ledger, Progress

GONE = Origin(type=OriginType.CONTAINER, name="gone", device="pi", container_id="g" * 12)
OWN = Origin(type=OriginType.SYSTEM, name="towline", device="pi")


class Source:
    """A source that can be sent back, and what runs it."""

    def __init__(self, rig: Rig, container: str | None) -> None:
        self.rig = rig
        self.container = container
        self.told: list[str] = []
        self.found = -1

    def progress(self, *, final: bool = False) -> Progress:
        self.told.append("progress")
        return Progress([], self.rig.store.next_offset, lambda: None)

    def rereads(self, origin: Origin) -> bool:
        return origin.container_id == self.container

    def go_back(self) -> None:
        self.told.append("go back")

    def release(self) -> None:
        self.told.append("release")

    def halt(self) -> None:
        self.told.append("halt")

    async def halted(self) -> None:
        self.told.append("halted")

    def go_on(self) -> None:
        self.told.append("go on")
        tail = self.rig.store.checkpoints.tails.get(self.container or "")
        self.found = tail.seq if tail else 0


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """A disk that takes nothing: where the next file would be begun there is no folder."""
    (folder / "logs").rename(folder / "away")
    yield
    (folder / "away").rename(folder / "logs")


def known(rig: Rig) -> None:
    """The container of the rig has a checkpoint, so that it can be read again."""
    id_ = WEB.container_id or ""
    rig.store.checkpoints.begin(Checkpoint(engine="E", container=id_, seq=0, since="", rows=()))


async def test_sources_are_sent_back_to_what_the_files_have(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=10) as rig:
        known(rig)
        ledger = Ledger(rig.store)
        source = Source(rig, WEB.container_id)
        ledger.join(source, source)
        made = rig.fill(1, 5)
        reader = rig.store.reader(made[0].offset)
        with refusing(tmp_path):
            rig.add(7)
            rig.add(1, origin=OWN)
            rig.add(20)
            rig.add(1, origin=OWN, seq=0)
            rig.add(3)
            await ledger.mend()  # too early
            assert rig.store.health.state is State.DEGRADED
            assert source.told == ["release"]
        await ledger.save()
        assert rig.store.writing.hole  # and no checkpoint goes over it
        assert rig.store.checkpoints.covered == 0
        source.told.clear()
        await ledger.mend()
        assert source.told == ["release", "halt", "go back", "halted", "go on"]
        assert source.found == 5  # the last row that is in a file
        assert stored(tmp_path) == [*numbered(5), "line 33"]
        assert rig.store.health.counters == {"unwritten": 1, "read_again": 30}
        assert rig.store.health.reason == ""
        assert await everything(rig) == [*numbered(5), "line 33"]  # the rest comes again
        rig.numbers = iter(range(5, 1000))
        made = rig.add(30)
        assert await everything(rig) == [*numbered(5), "line 33", *numbered(30, 5)]
        found = []
        while batch := await reader.take(100):
            found += batch
        assert messages(found) == [*numbered(5), "line 33", *numbered(30, 5)]
        assert reader.missed == 1  # Towline's own word, which nobody can read again
    async with opened(tmp_path) as rig:
        assert await everything(rig) == [*numbered(5), "line 33", *numbered(30, 5)]
        again = rig.store.reader(0)
        while await again.take(100):
            pass
        assert again.missed == 1


async def test_what_has_no_source_any_more_is_written_as_far_as_memory_holds_it(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, memory=10) as rig:
        ledger = Ledger(rig.store)
        source = Source(rig, WEB.container_id)
        ledger.join(source, source)
        rig.fill(1, 1)
        with refusing(tmp_path):
            rig.add(4)
            rig.add(12, origin=GONE)
        await ledger.mend()
        assert stored(tmp_path) == ["line 0", *numbered(10, 7)]
        assert rig.store.health.counters == {"unwritten": 2, "read_again": 4}


async def test_without_such_a_source_what_memory_forgot_is_unwritten(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=10) as rig:
        ledger = Ledger(rig.store)
        rig.fill(1, 1)
        with refusing(tmp_path):
            rig.add(24)
        await ledger.mend()
        assert not rig.store.writing.hole
        rig.store.flush()
        assert stored(tmp_path) == ["line 0", *numbered(10, 15)]
        assert rig.store.health.counters == {"unwritten": 14}
        assert rig.store.account.totals["unwritten"] == 14


async def test_while_sources_are_halted_no_checkpoint_is_saved(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=10) as rig:
        known(rig)
        ledger = Ledger(rig.store)
        source = Source(rig, WEB.container_id)
        ledger.join(source, source)
        rig.fill(1, 1)
        with refusing(tmp_path):
            rig.add(24)
        ended = asyncio.Event()

        async def halted() -> None:
            await ended.wait()

        source.halted = halted  # type: ignore[method-assign]
        mending = asyncio.create_task(ledger.mend())
        await asyncio.sleep(0)
        source.told.clear()
        await ledger.save(final=True)
        assert source.told == []
        ended.set()
        await mending
        await ledger.save()
        assert source.told == ["go on", "progress"]


async def test_what_a_failed_sync_leaves_in_doubt_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as rig:
        rig.add(5)
        await rig.store.sync()
        rig.add(5)

        def fail(descriptor: int) -> None:
            raise OSError(5, os.strerror(5))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            for _ in range(2):
                with pytest.raises(OSError, match="Input/output"):
                    await rig.store.sync()
                assert rig.store.health.state is State.DEGRADED
                rig.add(1)
                await asyncio.sleep(0)
        reached = await rig.store.sync()
        assert reached == rig.store.next_offset
        assert rig.store.health.state is State.UP
        assert stored(tmp_path) == numbered(12)
        assert len(rig.store.segments) == 2
        assert await everything(rig) == numbered(12)
    async with opened(tmp_path) as rig:
        assert await everything(rig) == numbered(12)


async def test_what_memory_no_longer_has_after_a_failed_sync_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, memory=4) as rig:
        known(rig)
        ledger = Ledger(rig.store)
        source = Source(rig, WEB.container_id)
        ledger.join(source, source)
        rig.add(5)
        await ledger.save()
        rig.add_each(10)
        rig.store.flush()

        def fail(descriptor: int) -> None:
            raise OSError(5, os.strerror(5))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            with pytest.raises(OSError, match="Input/output"):
                await ledger.save()
        await ledger.save()
        assert rig.store.writing.hole
        await ledger.mend()
        assert source.told[-4:] == ["halt", "go back", "halted", "go on"]
        assert stored(tmp_path) == numbered(5)
        await rig.store.files.settle()


async def test_a_store_that_ends_in_doubt_keeps_only_what_was_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as patch:
        async with opened(tmp_path) as rig:
            rig.add(5)
            await rig.store.sync()
            rig.add(5)
            patch.setattr(os, "fdatasync", fail)
            with pytest.raises(OSError, match="Input/output"):
                await rig.store.sync()
    assert stored(tmp_path) == numbered(5)
    async with opened(tmp_path) as rig:
        reader = rig.store.reader(0)
        assert messages(await reader.take(100)) == numbered(5)
        assert await reader.take(100) == []
        assert reader.missed == 0  # the rest is read again from where it came from


async def test_memory_forgets_large_records_for_their_size_once_they_are_written(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, memory=1000) as rig:
        ring = rig.store.ring
        first = ring.first
        for number in range(5):
            text = "x" * (MOST_BYTES // 4)
            line = Line(text, time_text(MS * 1_000_000), MS, level="info", seq=number + 1)
            rig.store.append(encode(template_of(WEB), [line], rig.store.next_offset))
            assert ring.size <= MOST_BYTES
        assert first < ring.first <= rig.store.writing.written
        assert len(await everything(rig)) == 5
