from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from towline.audit.files import HEAD, KEY, OPEN, closed, verified
from towline.audit.trail import MOST_WAITING, Trail
from towline.cli import main
from towline.errors import StoreError


async def written(folder: Path, count: int, **more: Any) -> Trail:
    async with Trail(folder, **more) as trail:
        for number in range(count):
            trail.put("me", "act", f"thing {number}", ip="::1", diff={"number": number})
    return trail


async def test_entries_are_on_the_disk_and_go_on_after_a_restart(tmp_path: Path) -> None:
    await written(tmp_path, 3)
    await written(tmp_path, 2)
    assert verified(tmp_path) == (1, 5, [])
    rows = [json.loads(row) for row in (tmp_path / OPEN).read_text().splitlines()]
    assert [row["n"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[1] | {"ts": "", "prev": "", "mac": ""} == {
        "n": 2, "ts": "", "actor": "me", "ip": "::1", "action": "act", "target": "thing 1",
        "diff": {"number": 1}, "prev": "", "mac": "",
    }  # fmt: skip


async def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    await written(tmp_path, 1)
    for name in (KEY, OPEN, HEAD):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


async def test_a_key_or_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(b"")
    with pytest.raises(StoreError, match="holds no key"):
        await written(tmp_path, 1)
    (tmp_path / KEY).unlink()
    (tmp_path / OPEN).mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        await written(tmp_path, 1)


async def test_full_files_are_closed_and_only_so_many_kept(tmp_path: Path) -> None:
    await written(tmp_path, 200, largest=2000, most_files=3)
    assert len(closed(tmp_path)) == 3
    first, last, faults = verified(tmp_path)
    assert (last, faults) == (200, [])
    assert first > 1
    await written(tmp_path, 1, largest=2000, most_files=3)
    assert verified(tmp_path)[1:] == (201, [])


async def test_a_file_taken_out_of_the_middle_is_found(tmp_path: Path) -> None:
    await written(tmp_path, 100, largest=2000)
    closed(tmp_path)[3].unlink()
    assert "entries were removed" in verified(tmp_path)[2][0]


async def test_entries_cut_off_at_the_end_are_found_by_the_head(tmp_path: Path) -> None:
    trail = await written(tmp_path, 10)
    file = tmp_path / OPEN
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:8]))
    assert verified(tmp_path)[2] == [f"entries 9 to 10 are missing at the end ({HEAD})"]
    (tmp_path / HEAD).unlink()
    assert "is missing" in verified(tmp_path)[2][0]
    assert any("9 to 10" in fault for fault in verified(tmp_path, trail.head)[2])


async def test_half_an_entry_is_cut_off_and_said(tmp_path: Path) -> None:
    await written(tmp_path, 3)
    with (tmp_path / OPEN).open("ab") as file:
        file.write(b'{"n":4,"ts":"20')
    await written(tmp_path, 1)
    assert verified(tmp_path) == (1, 5, [])
    rows = [json.loads(row) for row in (tmp_path / OPEN).read_text().splitlines()]
    assert [row["action"] for row in rows[3:]] == ["repair", "act"]


async def test_what_the_disk_refuses_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Trail(tmp_path) as trail:
        trail.put("me", "one", "x")
        with monkeypatch.context() as full:
            full.setattr(os, "write", lambda number, line: 0)
            for _ in range(MOST_WAITING + 5):
                trail.put("me", "two", "x")
        assert trail.counters["waiting"] == MOST_WAITING
        assert trail.counters["lost"] == 5
        trail.put("me", "three", "x")
        assert trail.counters["waiting"] == 0
    assert verified(tmp_path)[2] == []


async def test_pages_are_newest_first(tmp_path: Path) -> None:
    async with Trail(tmp_path, largest=1000) as trail:
        for number in range(10):
            trail.put("me", "act", str(number))
        rows, more = await trail.page(4)
        assert [json.loads(row)["n"] for row in rows] == [10, 9, 8, 7]
        rows, more = await trail.page(100, more)
        assert [json.loads(row)["n"] for row in rows] == [6, 5, 4, 3, 2, 1]
        assert more is None


async def test_without_a_folder_entries_are_in_memory() -> None:
    async with Trail(None) as trail:
        trail.put("me", "act", "x")
        assert len((await trail.page(10))[0]) == 1


async def test_a_text_is_bounded_and_a_long_difference_is_left_out(tmp_path: Path) -> None:
    async with Trail(tmp_path) as trail:
        trail.put("m" * 10_000, "act", "\n\x00", diff=["x" * 10_000])
        row = json.loads((await trail.page(1))[0][0])
    assert len(row["actor"]) == 500
    assert row["diff"] == {"cut": 10_004}
    assert verified(tmp_path)[2] == []


async def test_the_command_tells_what_is_wrong(tmp_path: Path) -> None:
    await written(tmp_path, 5)
    run = CliRunner().invoke(main, ["audit", "verify", "--data", str(tmp_path)])
    assert (run.exit_code, run.output) == (0, "entries 1 to 5: as they were written\n")
    file = tmp_path / OPEN
    file.write_text(file.read_text().replace("thing 2", "thing 9"))
    run = CliRunner().invoke(main, ["audit", "verify", "--data", str(tmp_path)])
    assert run.exit_code == 1
    assert run.output == "entry 3 was changed\nentries 1 to 5: 1 faults\n"
    run = CliRunner().invoke(main, ["audit", "verify", "--data", str(tmp_path / "none")])
    assert run.exit_code == 1
