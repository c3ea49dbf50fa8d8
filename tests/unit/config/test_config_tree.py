from __future__ import annotations

import pytest

from towline.config.faults import Fault
from towline.config.places import UNREAD, Spot, Tree
from towline.config.text import MOST_BYTES, read_text
from towline.config.tree import parse
from towline.errors import ConfigError, Problem


def tree(text: str | bytes) -> Tree:
    def shout(words: str, _: Spot) -> str:
        if not words:
            raise Fault("quiet", "nothing to shout")
        return words.upper()

    return parse(read_text(text, "f.yaml"), {"!shout": shout})


def refused(text: str | bytes) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        tree(text)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("22:22", "22:22"),
        ("1_000", "1_000"),
        ("0755", "0755"),
        ("0x1F", "0x1F"),
        ("+49", "+49"),
        ("12", 12),
        ("-5", -5),
        ("0", 0),
        ("1.50", 1.5),
        ("1e5", 1e5),
        (".inf", ".inf"),
        ("2026-11-01", "2026-11-01"),
        ("~", None),
        ("null", None),
        ("", None),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_mean_what_yaml_1_2_says_and_numbers_keep_their_look(
    written: str, meant: object
) -> None:
    found = tree(f"a: {written}").data["a"]
    assert found == meant
    assert type(found) is type(meant)


def test_every_value_and_key_has_its_place() -> None:
    found = tree("a:\n  - b: 1\n    c:   two\n")
    value = found.problem("x", "", ("a", 0, "c"))
    key = found.problem("x", "", ("a", 0, "c"), at_key=True)
    assert (value.line, value.column) == (3, 10)
    assert (key.line, key.column) == (3, 5)
    assert value.source == "    c:   two"


def test_a_value_that_was_not_written_is_placed_at_its_parent() -> None:
    missing = tree("a:\n  b: 1\n").problem("x", "", ("a", "z", 3))
    assert (missing.line, missing.column) == (1, 1)


def test_repeated_keys_are_all_told_with_both_lines() -> None:
    found = tree("a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert found.data == {"a": 1, "b": {"c": 1}}
    assert [(p.line, p.column, p.text) for p in found.problems] == [
        (2, 11, "repeated key 'c'; it stands in line 2 already"),
        (3, 1, "repeated key 'a'; it stands in line 1 already"),
    ]


def test_a_tag_that_fails_is_told_at_its_place_and_the_rest_is_read() -> None:
    found = tree("a: !shout hello\nb: !shout\nc: [!what x]\nd: !shout {e: 1}\n")
    assert found.data == {"a": "HELLO", "b": UNREAD, "c": [UNREAD], "d": {"e": 1}}
    assert [(p.line, p.column, p.path, p.code) for p in found.problems] == [
        (2, 4, ("b",), "quiet"),
        (3, 5, ("c", 0), "unknown_tag"),
        (4, 4, ("d",), "unknown_tag"),
    ]


def test_merged_keys_yield_to_written_ones_and_the_first_merge_wins() -> None:
    found = tree("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 3\n")
    assert found.data["z"] == {"a": 3, "b": 1, "c": 2}
    assert found.problem("x", "", ("z", "c")).line == 4


def test_a_byte_order_mark_and_other_line_ends_are_tolerated() -> None:
    found = tree("\ufeffa: 1\r\nb: x\r\n")
    assert found.data == {"a": 1, "b": "x"}
    assert found.problem("x", "", ("b",)).source == "b: x"


def test_a_byte_that_is_not_utf8_is_told_with_its_place() -> None:
    (found,) = refused("a: 1\nbü: ".encode() + b"\xff\n")
    assert (found.line, found.column, found.text) == (2, 5, "not UTF-8: the byte 0xff")


@pytest.mark.parametrize("sign", ["\0", "\x1b", "\ud800", "\ufffe"])
def test_characters_that_yaml_does_not_allow_are_told_with_their_place(sign: str) -> None:
    (found,) = refused(f"a: 1\nb: x{sign}\n")
    assert (found.line, found.column, found.code) == (2, 5, "bad_character")


def test_a_file_of_more_than_one_mebibyte_is_not_read() -> None:
    assert refused(b"#" * (MOST_BYTES + 1))[0].code == "too_long"
    assert tree(b"#" * MOST_BYTES).data is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * 100_000, "too_deep"),
        ("a: 1\n---\nb: 1\n", "documents"),
        ("a: *b", "unknown_alias"),
        ("&a [*a]", "unknown_alias"),
        ("a: &a b\n*a : 1", "bad_key"),
        ("{[a]: 1}", "bad_key"),
        ("!x a: 1", "bad_key"),
        ("k" * 300 + ": 1", "bad_key"),
        ("[" + "a," * 100_001 + "]", "too_much"),
        ("a: &a x\nb: [" + "*a," * 101 + "]", "too_much"),
        ("a: &a {b: 1}\nb:\n  <<: [" + "*a," * 21 + "]", "too_much"),
        ("\n".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9 if n else '1'}]" for n in range(9)), "too_m"),
    ],
)
def test_bombs_and_oddities_are_refused_before_anything_is_built(text: str, code: str) -> None:
    assert refused(text)[-1].code.startswith(code)


def test_problems_are_told_even_where_the_text_breaks_off() -> None:
    assert [found.code for found in refused("a: 1\na: 2\nb: [")] == ["repeated_key", "syntax"]


def test_passwords_are_starred_in_quoted_lines() -> None:
    line = 'x: {password: hunter2, user: me, token: "abc", key: !secret k}'
    source = tree(line).problem("x", "", ("x",)).source
    assert source == "x: {password: *******, user: me, token: *****, key: !secret k}"


def test_a_password_in_an_address_is_starred_in_quoted_lines() -> None:
    source = tree("x: mqtt://me:hunter2@nas").problem("x", "", ("x",)).source
    assert source == "x: mqtt://me:*******@nas"


def test_what_stands_behind_a_tag_of_a_secret_is_starred_in_quoted_lines() -> None:
    line = "x: {password: !env_var PW hunter2, y: !encrypted gAAAAA, z: !env_var LEVEL warn}"
    source = tree(line).problem("x", "", ("x",)).source
    stars = "x: {password: !env_var PW *******, y: !encrypted ******, z: !env_var LEVEL warn}"
    assert source == stars


@pytest.mark.parametrize("begin", ["password: |", 'key: "a', "- token: >-"])
def test_further_lines_of_a_secret_are_starred_in_quoted_lines(begin: str) -> None:
    text = read_text(f"{begin}\n      b\n\n      hunter2: x\nname: y: z")
    assert text.line(4) == "      **********"
    assert text.line(5) == "name: y: z"


def test_a_long_line_is_quoted_in_part() -> None:
    assert len(tree("a: " + "x" * 100_000).problem("x", "", ("a",)).source) <= 400
