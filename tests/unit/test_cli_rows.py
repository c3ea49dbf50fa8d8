from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.commands.rows import WIDEST, Rows, coloured, plain

NOW = 1700000000250


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(os.environ, "TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def record(message: str, level: str = "info", **more: Any) -> bytes:
    found = {"message": message, "timestamp": NOW, "level": level, "containerName": "web", **more}
    return json.dumps(found).encode()


def test_a_row_is_time_level_name_and_message() -> None:
    rows = Rows(colour=False, date=True)
    assert rows([record("GET /")]) == "2023-11-14 22:13:20.250 info  web          GET /\n"
    assert Rows(colour=False, date=False)([record("GET /")]).startswith("22:13:20.250 info ")


def test_time_is_the_readers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", "CET-1")
    time.tzset()
    assert Rows(colour=False, date=False)([record("x")]).startswith("23:13:20.250 ")


def test_what_no_container_wrote_goes_by_its_origins_name() -> None:
    told = json.loads(record("started"))
    del told["containerName"]
    told["source"] = {"type": "system", "name": "towline"}
    assert " towline " in Rows(colour=False, date=True)([json.dumps(told).encode()])


def test_the_name_column_grows_with_names_but_not_without_end() -> None:
    rows = Rows(colour=False, date=False)
    rows([record("x", containerName="n" * 20)])
    assert rows([record("y")]).endswith(f"web{' ' * 17} y\n")
    rows([record("x", containerName="n" * 200)])
    assert rows([record("y")]).endswith(f"web{' ' * (WIDEST - 3)} y\n")


def test_levels_have_colours_where_they_are_wanted() -> None:
    row = Rows(colour=True, date=False)([record("x", "error")])
    assert "\x1b[31merror\x1b[0m" in row
    assert "\x1b" not in Rows(colour=False, date=False)([record("x", "error")])


def test_a_message_keeps_its_colours_only_where_they_are_wanted() -> None:
    message = "a \x1b[1;32mgreen\x1b[0m word"
    assert coloured(message) == message + "\x1b[0m"
    assert plain(message) == "a green word"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("over\rwritten\b", "over\\x0dwritten\\x08"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("two\nrows", "two\\x0arows"),
        ("a\tb", "a\tb"),
    ],
)
def test_a_message_cannot_steer_the_terminal(message: str, shown: str) -> None:
    assert plain(message) == shown
    assert coloured(message).removesuffix("\x1b[0m") == shown


@pytest.mark.parametrize("hidden", ["\x1b[8m", "\x1b[0;8m", "\x1b[1;08m"])
def test_a_message_cannot_hide_text(hidden: str) -> None:
    assert coloured(f"a{hidden}b") == "ab\x1b[0m"


def test_a_name_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in Rows(colour=False, date=True)([record("x", containerName="\x1b[2J")])


@given(st.text())
def test_whatever_a_message_holds_only_its_further_lines_are_rows_and_indented(
    message: str,
) -> None:
    rows = Rows(colour=False, date=False)([record(message)]).splitlines()
    assert len(rows) == message.count("\n") + 1
    assert all(row.startswith("    ") for row in rows[1:])
    assert not any(ord(char) < 32 and char != "\t" for row in rows for char in row)
