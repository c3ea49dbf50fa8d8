import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.rig import (
    everything,
    messages,
    numbered,
    opened,
    stored,
    until,
)
from towline.status import State


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_a_full_disk_degrades_and_everything_in_memory_is_written_later(
    small_disk: Path,
) -> None:
    now = 0.0
    async with opened(small_disk, memory=500, monotonic=lambda: now) as rig:
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * 40_000)
        rig.add_each(100)
        await until(lambda: rig.store.health.state is State.DEGRADED)
        assert "No space left" in rig.store.health.reason
        rig.add(100)
        assert len(rig.store.ring) == 200
        on_disk = stored(small_disk)
        assert on_disk == numbered(len(on_disk))  # no half row
        assert len(on_disk) < 200
        assert await everything(rig) == numbered(200)
        filler.unlink()
        now = 10.0
        rig.add(1)
        await until(lambda: rig.store.health.state is State.UP)
        assert stored(small_disk) == numbered(201)
        assert rig.store.health.counters["unwritten"] == 0


async def test_what_a_full_disk_could_not_take_in_time_is_counted_exactly(
    small_disk: Path,
) -> None:
    now = 0.0
    async with opened(small_disk, memory=50, monotonic=lambda: now) as rig:
        reader = rig.store.reader(0)
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * 40_000)
        rig.add_each(200)
        rig.store.flush()
        filler.unlink()
        now = 10.0
        rig.add_each(20)
        rig.store.flush()
        lost = rig.store.health.counters["unwritten"]
        on_disk = stored(small_disk)
        assert len(on_disk) + lost == 220
        assert on_disk[-50:] == numbered(50, 170)
        found: list[str] = []
        while batch := await reader.take(7):
            found += messages(batch)
        assert found == on_disk
        assert reader.missed == lost > 0
        later = rig.store.reader(0)
        while batch := await later.take(1000):
            pass
        assert later.missed == lost


async def test_a_disk_that_refuses_is_not_asked_at_every_turn(small_disk: Path) -> None:
    now = 0.0
    async with opened(small_disk, monotonic=lambda: now) as rig:
        (small_disk / "filler").write_bytes(b"x" * 60_000)
        asked = 0
        append = rig.store.files.append

        def counted(*args: object) -> None:
            nonlocal asked
            asked += 1
            append(*args)  # type: ignore[arg-type]

        rig.store.files.append = counted  # type: ignore[method-assign, assignment]
        for _ in range(50):
            rig.add(20)
            await asyncio.sleep(0)
        assert asked <= 3
        (small_disk / "filler").unlink()
