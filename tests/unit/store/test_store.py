import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.store.rig import WEB, everything, messages, numbered, opened, until
from towline.config.settings import Match
from towline.config.settings import Store as StoreSettings
from towline.errors import StoreError
from towline.status import State
from towline.store.log import Store
from towline.store.query import Query


async def test_offsets_follow_on_without_a_hole(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        start = rig.store.next_offset
        assert rig.store.first_offset == rig.store.memory_offset == start
        made = rig.add(3) + rig.add(2)
        assert [record.offset for record in made] == list(range(start, start + 5))
        assert rig.store.next_offset == start + 5
        rig.store.append([])
        assert rig.store.next_offset == start + 5


@pytest.mark.parametrize("lost", [0, 1, 5, 10])
@pytest.mark.parametrize("clock", [1_800_000_000.0, 0.0])
async def test_an_offset_is_never_given_twice(tmp_path: Path, lost: int, clock: float) -> None:
    async with opened(tmp_path) as rig:
        made = rig.add(10)
    (path,) = (tmp_path / "logs").iterdir()
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[: 10 - lost]))
    async with opened(tmp_path, clock=lambda: max(clock, 0.0)) as rig:
        kept = made[: 10 - lost]
        assert rig.store.next_offset > (kept[-1].offset if kept else -1)
        if clock:
            rig.add(1)
    async with opened(tmp_path) as rig:
        assert rig.store.next_offset > made[-1].offset


@given(
    memory=st.integers(1, 8),
    batches=st.lists(st.integers(1, 25), min_size=1, max_size=8),
    persist=st.booleans(),
)
async def test_every_record_is_kept_whatever_memory_and_batches_are(
    tmp_path_factory: pytest.TempPathFactory, memory: int, batches: list[int], persist: bool
) -> None:
    folder = tmp_path_factory.mktemp("store")
    async with opened(folder, memory=memory, persist=persist) as rig:
        made = [record for count in batches for record in rig.add(count)]
        page = await rig.store.query(Query(newest_first=False, limit=1000))
        kept = made if persist else made[-memory:]
        assert messages(page.records) == messages(kept)
        assert rig.store.first_offset == kept[0].offset
        assert rig.store.health.counters["unwritten"] == 0


async def test_records_are_written_in_the_same_turn_of_the_loop(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.add(1)
        assert rig.store.files.size == 0
        rig.add(1)
        await asyncio.sleep(0)
        (path,) = (tmp_path / "logs").iterdir()
        assert len(path.read_bytes().splitlines()) == 2


async def test_records_survive_a_kill_without_a_sync(tmp_path: Path) -> None:
    rig_folder = tmp_path / "one"
    async with opened(rig_folder) as rig:
        made = rig.add(5)
        await asyncio.sleep(0)
        copy = tmp_path / "two"
        (copy / "logs").mkdir(parents=True)
        for path in (rig_folder / "logs").iterdir():
            (copy / "logs" / path.name).write_bytes(path.read_bytes())
    async with opened(copy) as rig:
        page = await rig.store.query(Query(newest_first=False))
        assert page.records == made


async def test_a_sync_says_how_far_it_reached(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        assert await rig.store.sync() == rig.store.next_offset
        rig.add(3)
        syncing = asyncio.create_task(rig.store.sync())
        end = rig.store.next_offset
        await asyncio.sleep(0)
        rig.add(3)
        assert await syncing == end
        assert await rig.store.sync() == end + 3


async def test_a_second_store_on_the_folder_is_refused_until_the_first_is_closed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path):
        with pytest.raises(StoreError, match="another Towline uses the data folder"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path) as rig:
        assert rig.store.health.state is State.UP


async def test_without_persistence_nothing_is_written(tmp_path: Path) -> None:
    async with opened(tmp_path / "data", persist=False) as rig:
        rig.add(5)
        await rig.store.sync()
        rig.store.cursors.set("a", 5)
        assert rig.store.cursors.get("a") == 5
        assert not rig.store.persistent
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["", "logs", "cursors", "labels.ndjson", "checkpoints"])
async def test_a_folder_that_cannot_be_used_is_said_and_let_go(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    wrong = folder / name
    wrong.parent.mkdir(exist_ok=True)
    if name in ("labels.ndjson", "checkpoints"):
        wrong.mkdir(parents=True)
    else:
        wrong.write_text("a file in its place")
    with pytest.raises(StoreError, match=str(folder)):
        async with opened(folder):
            pass
    wrong.rmdir() if wrong.is_dir() else wrong.unlink()
    async with opened(folder) as rig:  # nothing holds the lock any more
        rig.add(1)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "bound"
    folder.mkdir()
    path = str(folder)
    for command in (["--bind", path, path], ["-o", "remount,ro,bind", path]):
        done = subprocess.run(["mount", *command], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_on_a_read_only_disk_records_are_in_memory_alone(read_only: Path) -> None:
    async with opened(read_only) as rig:
        rig.add(3)
        assert await everything(rig) == numbered(3)
        assert str(rig.store.health.state) == "degraded"
        assert "read-only" in rig.store.health.reason
        assert not rig.store.persistent
        await rig.store.sync()
    assert list(read_only.iterdir()) == []


async def test_a_failed_start_tells_the_folder_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot use the data folder /proc/towline"):
        async with Store(StoreSettings(path=Path("/proc/towline"), persist=True)):
            pass


async def test_labels_of_a_container_survive_a_restart(tmp_path: Path) -> None:
    labelled = replace(WEB, labels=(("tier", "back"), ("ä", "ö\n")))
    async with opened(tmp_path) as rig:
        rig.add(2, origin=labelled)
        rig.add(2)
    async with opened(tmp_path) as rig:
        page = await rig.store.query(Query(match=Match(label=("tier=back",))))
        assert {record.origin.labels for record in page.records} == {labelled.labels}
        rig.add(1, origin=labelled)
    assert len((tmp_path / "labels.ndjson").read_text().splitlines()) == 1


async def test_the_source_of_a_container_is_known_for_records_read_back(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.add(3, origin=replace(WEB, source="nas"))
    async with opened(tmp_path) as rig:
        page = await rig.store.query(Query(match=Match(source=("nas",))))
        assert len(page.records) == 3
        assert not (await rig.store.query(Query(match=Match(source=("docker",))))).records


async def test_labels_that_cannot_be_written_cost_no_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as rig:
        (tmp_path / "labels.ndjson").mkdir()
        made = rig.add(2, origin=replace(WEB, labels=(("tier", "back"),)))
        page = await rig.store.query(Query(newest_first=False))
        assert page.records == made
    assert "labels are not kept" in caplog.messages


async def test_damaged_labels_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = ["nonsense", "[]", "{}", "null", '{"id":"a"}', '{"id":"b","labels":1}']
    (tmp_path / "labels.ndjson").write_text("\n".join([*rows, '{"id":"c","labels":{"x":"y"}}\n']))
    async with opened(tmp_path) as rig:
        assert rig.store.decode.labels == {"c": (("x", "y"),)}
    assert caplog.messages == ["skipped a damaged row"] * len(rows)


async def test_another_amount_of_memory_loses_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=100) as rig:
        made = rig.add(50)
        for memory in (10, 200, 1):
            rig.store.resize(memory)
            made += rig.add(20)
            page = await rig.store.query(Query(newest_first=False, limit=1000))
            assert page.records == made
            assert rig.store.next_offset - rig.store.memory_offset <= memory


async def test_everybody_who_waits_is_woken(tmp_path: Path) -> None:
    async with opened(tmp_path, persist=False) as rig:
        waiting = [asyncio.create_task(rig.store.appended()) for _ in range(3)]
        gone = asyncio.create_task(rig.store.appended())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        rig.add(1)
        await asyncio.gather(*waiting)
        later = asyncio.create_task(rig.store.appended())
        await asyncio.sleep(0)
        assert not later.done()
        later.cancel()
        await until(later.done)
