from pathlib import Path

import pytest

from tests.unit.store.rig import MS, WEB, opened
from towline.config.settings import Match
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Record
from towline.store.blocks import Blocks
from towline.store.needle import literals_of, needle_of, rewritten
from towline.store.query import Query
from towline.store.words import Words, unpacked, words_of


def rows(*messages: str) -> bytes:
    lines = [Line(text, "2026-11-21T10:22:47.000000000Z", MS, level="info") for text in messages]
    return b"".join(record.json + b"\n" for record in encode(template_of(WEB), lines, 1 << 40))


def found(query: Query, *messages: str) -> list[int]:
    """The numbers of the rows that a query's needle finds."""
    text = rows(*messages)
    needle = needle_of(query)
    assert needle is not None
    return [text.count(b"\n", 0, start) for start, _ in needle.rows(text)]


@pytest.mark.parametrize(
    "query",
    [
        Query(text="web"),
        Query(text="info"),
        Query(text="Web"),
        Query(text="timestamp"),
        Query(match=Match(regex=r"\d{9}")),
        Query(match=Match(regex="web$")),
    ],
)
def test_what_stands_in_another_member_of_a_row_is_not_found(query: Query) -> None:
    assert found(query, "a", "b", "c") == []


def test_a_row_is_found_once_and_all_are_found() -> None:
    messages = ["web web", "", "weB", 'a "web"', "we\tb", "\tweb", "2web3"]
    assert found(Query(text="web"), *messages) == [0, 2, 3, 5, 6]
    assert found(Query(match=Match(regex=r"\bweb\b")), *messages) == [0, 3, 5, 6]
    assert found(Query(match=Match(regex="x*")), *messages) == list(range(7))


@pytest.mark.parametrize("pattern", [r"\Qa\E", r"\x41", "[a", r"\07"])
def test_a_pattern_that_is_not_understood_has_no_needle(pattern: str) -> None:
    assert rewritten(pattern) == ""


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (Query(text="Connection refused: peer 17"), {b"connection", b"refused", b"peer"}),
        (Query(text="ab12cd"), {b"abcd"}),
        (Query(text="äbc"), set()),
        (Query(match=Match(regex="timeouts?")), {b"timeout"}),
        (Query(match=Match(regex="timeouts*")), {b"timeout"}),
        (Query(match=Match(regex="abcd{0}")), {b"abc"}),
        (Query(match=Match(regex="abc|def")), set()),
        (Query(match=Match(regex="(abc|def)ghi")), {b"ghi"}),
        (Query(match=Match(regex="(?:abc)?def.*ghi$")), {b"def", b"ghi"}),
        (Query(match=Match(regex=r"abc\wdef\.xyz")), {b"abc", b"def", b"xyz"}),
        (Query(match=Match(regex="[abc]def")), {b"def"}),
    ],
)
def test_words_that_a_message_must_have(query: Query, words: set[bytes]) -> None:
    assert set(words_of(literals_of(query))) == words


def test_the_words_of_messages_are_known_and_of_nothing_else() -> None:
    words = Words()
    words.add(rows("GET /Health 200", 'say "Hello"\nworld', "x1y2z3"))
    words.add(rows("again"))
    assert unpacked(words.packed()) == b"again get health hello nworld say xyz"


@pytest.mark.parametrize("letter", ["\u212a", "\u0130", "\u017f"])
def test_letters_that_fold_to_ascii_leave_a_file_without_words(letter: str) -> None:
    words = Words()
    words.add(rows("plain"))
    words.add(rows(letter))
    assert words.packed() == b""


async def test_a_file_without_the_words_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.store.files.compression = "zstd"
        rig.fill(3)
        await rig.store.files.settle()
        read: list[int] = []
        text = Blocks.text

        def counted(self: Blocks, at: int, length: int) -> bytes:
            read.append(at)
            return text(self, at, length)

        monkeypatch.setattr(Blocks, "text", counted)
        found: list[Record] = []
        for query in (Query(text="nowhere"), Query(match=Match(regex=r"nowhere \d+"))):
            found += (await rig.store.query(query)).records
        assert (found, read) == ([], [])
        assert len((await rig.store.query(Query(text="line"))).records) == 30
        assert len(read) == 3
