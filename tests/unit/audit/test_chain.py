from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from towline.audit.chain import NOBODY, entry, faults

KEY = b"key"
ROWS: list[bytes] = []
_head = NOBODY
for _number in range(1000):
    _line, _head = entry(KEY, _head, {"ts": "", "actor": f"a{_number}", "diff": {"mac": "x"}})
    ROWS.append(_line.rstrip(b"\n"))


def found(rows: list[bytes]) -> list[str]:
    return list(faults(KEY, rows))


def test_what_was_written_has_no_fault() -> None:
    assert found(ROWS) == []
    assert found([]) == []


def test_rows_that_follow_removed_files_have_no_fault() -> None:
    assert found(ROWS[500:]) == []


def test_any_entry_that_is_changed_removed_or_moved_is_found() -> None:
    for at in range(1000):
        check(at)


def check(at: int) -> None:
    row = ROWS[at]
    flipped = row.replace(b'"a%d"' % at, b'"b%d"' % at)
    near = slice(max(0, at - 2), at + 3)
    assert flipped != row
    assert found([*ROWS[near.start : at], flipped, *ROWS[at + 1 : near.stop]])
    assert found([*ROWS[near.start : at], b"", *ROWS[at + 1 : near.stop]])
    if at - near.start > 0 and at < 999:
        assert found([*ROWS[near.start : at], *ROWS[at + 1 : near.stop]])
        swapped = [*ROWS[near.start : at], ROWS[at + 1], row, *ROWS[at + 2 : near.stop]]
        assert found(swapped)


def test_an_entry_of_another_key_is_found() -> None:
    line, _ = entry(b"other", NOBODY, {"actor": "x"})
    assert found([line.rstrip()]) == ["entry 1 was changed"]


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_no_rows_do_harm(rows: list[bytes]) -> None:
    assert len(found(rows)) >= len([row for row in rows if row == b""])
