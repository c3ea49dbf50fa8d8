from __future__ import annotations

import json
from pathlib import Path

from tests.unit.delivery.rig import append
from towline.config.settings import Store as StoreSettings
from towline.delivery.dead import DeadLetters
from towline.store.log import Store


def test_a_row_holds_when_why_and_the_record(tmp_path: Path) -> None:
    store = Store(StoreSettings(path=tmp_path, persist=False))
    dead = DeadLetters(tmp_path / "dead", "mqtt", clock=lambda: 1.5)
    dead.add(append(store, "a", "b"), 'say "no"')
    rows = [json.loads(row) for row in dead.path.read_text().splitlines()]
    assert [(row["rejectedAt"], row["reason"]) for row in rows] == [(1500, 'say "no"')] * 2
    assert [row["record"]["message"] for row in rows] == ["a", "b"]


def test_the_newest_are_kept_within_the_limit(tmp_path: Path) -> None:
    store = Store(StoreSettings(path=tmp_path, persist=False))
    dead = DeadLetters(tmp_path, "mqtt", most_bytes=20_000)
    for number in range(200):
        dead.add(append(store, f"line {number}"), "no")
    files = sorted(tmp_path.glob("*.ndjson"))
    assert [file.name for file in files] == ["mqtt.1.ndjson", "mqtt.ndjson"]
    assert sum(file.stat().st_size for file in files) <= 20_000
    rows = [json.loads(row) for file in files for row in file.read_text().splitlines()]
    assert [row["record"]["message"] for row in rows] == [
        f"line {number}" for number in range(200 - len(rows), 200)
    ]


def test_what_went_for_newer_ones_is_counted(tmp_path: Path) -> None:
    store = Store(StoreSettings(path=tmp_path, persist=False))
    dead = DeadLetters(tmp_path, "mqtt", most_bytes=5_000)
    gone = sum(dead.add(append(store, f"line {number}"), "no") for number in range(100))
    assert gone == 100 - dead.count > 0
    assert DeadLetters(tmp_path, "mqtt").count == dead.count


def test_a_page_goes_on_after_the_id_of_the_last_row(tmp_path: Path) -> None:
    store = Store(StoreSettings(path=tmp_path, persist=False))
    dead = DeadLetters(tmp_path, "mqtt", most_bytes=6_000)
    made = [append(store, f"line {number}")[0] for number in range(10)]
    for record in reversed(made):  # what is refused a second time comes out of turn
        dead.add([record], "no")
    found, after = [], ""
    while True:
        rows, last = dead.page(after, 3)
        found += [json.loads(row)["record"]["id"] for row in rows]
        if last is None:
            break
        after = last
    assert found == [record.id for record in made]


def test_a_row_that_a_crash_has_torn_is_none(tmp_path: Path) -> None:
    store = Store(StoreSettings(path=tmp_path, persist=False))
    dead = DeadLetters(tmp_path, "mqtt")
    dead.add(append(store, "a", "b"), "no")
    text = dead.path.read_bytes()
    dead.path.write_bytes(text + text[:150] + b"\n" + b'{"record":}\n,"record":{}}\n' + text[:40])
    dead = DeadLetters(tmp_path, "mqtt")
    assert len(dead.page("", 10)[0]) >= 2
    dead.begin_again()
    assert dead.begin_again() == 0  # they are on their way
    assert [record.message for record in dead.again(store.decode)] == ["a", "b"]
    dead.end_again()
    assert not DeadLetters(tmp_path, "mqtt").waiting


def test_what_was_to_be_sent_again_is_so_after_a_kill(tmp_path: Path) -> None:
    store = Store(StoreSettings(path=tmp_path, persist=False))
    dead = DeadLetters(tmp_path, "mqtt")
    assert dead.begin_again() == 0
    dead.add(append(store, "a"), "no")
    assert dead.begin_again() == 1
    again = DeadLetters(tmp_path, "mqtt")
    assert (again.waiting, again.count) == (True, 0)
    assert [record.message for record in again.again(store.decode)] == ["a"]
