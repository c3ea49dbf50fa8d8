from pathlib import Path

import pytest

from tests.unit.store.rig import opened
from towline.store.account import DAYS, Account

DAY = 86_400.0
BEGAN = 1_795_219_200.0  # 2026-11-21


def test_what_was_written_and_lost_is_remembered(tmp_path: Path) -> None:
    now = BEGAN
    account = Account(tmp_path / "account.json", clock=lambda: now)
    account.wrote("records", 100)
    account.wrote("cursors", 20)
    now += DAY
    account.wrote("records", 5)
    account.totals["lost"] += 7
    account.save()
    again = Account(tmp_path / "account.json", clock=lambda: now)
    again.wrote("records", 1)
    assert again.written == {
        "2026-11-21": {"records": 100, "cursors": 20},
        "2026-11-22": {"records": 6},
    }
    assert again.totals == {"lost": 7}
    assert again.present == {"records": 1}


def test_days_are_bounded(tmp_path: Path) -> None:
    now = BEGAN
    account = Account(None, clock=lambda: now)
    for _ in range(DAYS + 5):
        account.wrote("records", 1)
        now += DAY
    assert len(account.written) == DAYS
    assert min(account.written) == "2026-11-26"


def test_a_clock_that_goes_back_counts_on_the_day_it_shows() -> None:
    now = BEGAN + DAY
    account = Account(None, clock=lambda: now)
    account.wrote("records", 1)
    now -= DAY
    account.wrote("records", 2)
    assert account.written == {"2026-11-21": {"records": 2}, "2026-11-22": {"records": 1}}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"taken": 5}', '{"taken": {"ranges": [1]}}'])
def test_a_damaged_account_is_begun_anew(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "account.json").write_text(text)
    account = Account(tmp_path / "account.json")
    assert (account.totals, account.written) == ({}, {})
    assert caplog.messages == ["the store's account is damaged"]


def test_it_is_written_only_when_it_has_changed(tmp_path: Path) -> None:
    account = Account(tmp_path / "account.json")
    account.save()
    (tmp_path / "account.json").unlink()
    account.save()
    assert not (tmp_path / "account.json").exists()
    account.totals["lost"] += 1
    account.save()
    assert (tmp_path / "account.json").exists()


async def test_a_store_counts_all_that_the_disk_had_to_take(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.store.files.compression = "zstd"
        rig.fill(2, 50)
        await rig.store.files.settle()
        rig.store.cursors.set("mqtt", 1)
        files = list((tmp_path / "logs").iterdir())
        present = rig.store.account.present
        assert present["records"] > 2 * 50 * 100
        sizes = {
            end: sum(f.stat().st_size for f in files if f.name.endswith(end))
            for end in (".zst", ".index")
        }
        assert (present["compression"], present["index"]) == (sizes[".zst"], sizes[".index"])
        assert present["cursors"] == len((tmp_path / "cursors" / "mqtt.cursor").read_bytes())
