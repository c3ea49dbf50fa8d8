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
