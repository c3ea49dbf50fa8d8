from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from towline.sources.journald import export
from towline.sources.journald.export import Entries, Entry

names = st.from_regex(rb"[A-Z_]{1,12}", fullmatch=True)
entries = st.lists(st.dictionaries(names, st.binary(max_size=60), min_size=1), max_size=6)


def written(entry: Entry) -> bytes:
    """An entry as journald writes it: by length what holds a newline."""
    rows = []
    for name, value in entry.items():
        if b"\n" in value or not value.isascii():
            rows.append(name + b"\n" + len(value).to_bytes(8, "little") + value + b"\n")
        else:
            rows.append(name + b"=" + value + b"\n")
    return b"".join(rows) + b"\n"


@given(entries, st.integers(1, 40))
def test_entries_come_out_as_they_went_in_however_they_are_split(
    given_: list[Entry], size: int
) -> None:
    text = b"".join(map(written, given_))
    cut = Entries()
    found = [entry for at in range(0, len(text), size) for entry in cut.feed(text[at : at + size])]
    assert found == given_
    assert not cut.oversize


@given(st.binary(max_size=200), st.integers(1, 50))
def test_garbage_is_never_an_error(text: bytes, size: int) -> None:
    cut = Entries()
    for at in range(0, len(text), size):
        cut.feed(text[at : at + size])


def test_of_a_field_that_comes_twice_the_first_counts() -> None:
    assert Entries().feed(b"A=1\nA=2\n\n") == [{b"A": b"1"}]


def test_a_value_too_long_is_left_out_and_counted() -> None:
    length = export.LONGEST + 1
    cut = Entries()
    assert cut.feed(b"A=1\nMESSAGE\n" + length.to_bytes(8, "little") + b"x" * 100) == []
    left = length - 100
    assert cut.feed(b"x" * left) == []
    assert cut.feed(b"\nB=2\n\nC=3\n\n") == [
        {b"A": b"1", b"MESSAGE": b"", b"B": b"2"},
        {b"C": b"3"},
    ]
    assert cut.oversize == 1
