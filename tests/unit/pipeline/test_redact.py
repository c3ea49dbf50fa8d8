import json
import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.pipeline.secrets import AWS, HARMLESS, PEM, SECRET
from towline.config.pipeline import Redaction
from towline.errors import QueryError
from towline.pipeline.redact import BLOCK, GROUPS, Redactor, Rule, own_rule
from towline.record import Line, Origin, OriginType

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi")
EVERYTHING = ("tokens", "urls", "emails")


def redacted(text: str, rules: Iterable[str | Redaction] = EVERYTHING) -> str:
    line = Line(text, "", 0)
    Redactor(rules)([line], WEB)
    return line.text


@pytest.mark.parametrize("marked", SECRET)
def test_a_secret_is_hidden_and_the_rest_stays(marked: str) -> None:
    before, secret, after = re.split("[«»]", marked)
    found = redacted(before + secret + after)
    assert secret not in found
    if after[:1] == "@":
        assert found == re.sub("(://)[^:]*:$", r"\1***", before) + after
    else:
        hidden = r"""\\?["']?\[REDACTED[:a-z]*\]\\?["']?"""
        assert re.fullmatch(re.escape(before) + hidden + re.escape(after), found, re.IGNORECASE)
    if marked[0] == "{":
        json.loads(found)


@pytest.mark.parametrize(("text", "rest"), PEM)
def test_a_private_key_on_one_line_is_hidden_whole(text: str, rest: str) -> None:
    assert redacted("read " + text) == "read [REDACTED:key]" + rest


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_line_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("marked", SECRET)
def test_redacting_twice_changes_nothing_more(marked: str) -> None:
    once = redacted(re.sub("[«»]", "", marked))
    assert redacted(once) == once


def test_a_group_that_is_not_named_is_not_applied() -> None:
    text = f"{AWS} postgres://bob:hunter2@db bob@example.net"
    assert redacted(text, ["emails"]).startswith(f"{AWS} postgres://bob:hunter2@db ")
    assert redacted(text, ["urls"]) == f"{AWS} postgres://***@db bob@example.net"
    assert redacted(text, ["tokens"]).endswith(" postgres://bob:hunter2@db bob@example.net")


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from(["password", "token", "api_key", "Authorization", "a"])


@given(st.dictionaries(_names, _values, min_size=1), st.booleans())
def test_json_stays_json(whole: dict[str, object], tight: bool) -> None:
    text = json.dumps(whole, separators=(",", ":") if tight else None)
    assert json.loads(redacted(text)).keys() == whole.keys()
    inner = json.dumps({"body": text})
    assert json.loads(redacted(inner)).keys() == {"body"}


@given(st.lists(st.sampled_from([re.sub("[«»]", "", text) for text in SECRET]) | st.text()))
def test_lines_are_redacted_alike_alone_and_in_a_batch(texts: list[str]) -> None:
    lines = [Line(text, "", 0) for text in texts]
    redactor = Redactor(["urls", "emails"])
    redactor(lines, WEB)
    assert [line.text for line in lines] == [redacted(text, ["urls", "emails"]) for text in texts]
    assert redactor.redacted == sum(
        line.text != text for line, text in zip(lines, texts, strict=True)
    )


@pytest.mark.parametrize("at", [0, BLOCK - 1, BLOCK, 3 * BLOCK + 7])
def test_a_secret_is_found_wherever_it_stands_in_a_batch(at: int) -> None:
    lines = [Line("an ordinary line", "", 0) for _ in range(4 * BLOCK)]
    lines[at].text = "password=hunter2 mail bob@example.net"
    redactor = Redactor(EVERYTHING)
    redactor(lines, WEB)
    assert lines[at].text == "password=[REDACTED] mail [REDACTED:email]"
    assert redactor.redacted == 1
    assert sum(line.text == "an ordinary line" for line in lines) == 4 * BLOCK - 1


def test_a_line_without_a_needle_meets_no_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[str] = []

    def meet(found: re.Match[str]) -> str:
        met.append(found[0])
        return found[0]

    watched = tuple(replace(rule, pattern=re.compile(".+"), replacement=meet) for rule in TOKENS)
    monkeypatch.setitem(GROUPS, "tokens", watched)
    texts = ["an ordinary line", "with numbers 12:30:45", '{"level":"info","msg":"x"}']
    for text in texts:
        assert redacted(text, ["tokens"]) == text
    assert met == []
    redacted("a token", ["tokens"])
    assert met == ["a token"]


TOKENS = GROUPS["tokens"]


@pytest.mark.parametrize("rule", [rule for rules in GROUPS.values() for rule in rules])
def test_every_pattern_needs_a_needle(rule: Rule) -> None:
    for marked in SECRET:
        text = re.sub("[«»]", "", marked)
        if rule.pattern.search(text):
            assert any(one in (text.lower() if rule.folds else text) for one in rule.needles)
            assert rule.also in text


def test_a_line_is_found_beside_characters_that_change_their_length_in_lower_case() -> None:
    lines = [Line(text, "", 0) for text in ["İ" * 50, "TOKEN=abc", "İ", "a line\nToken=abc\n", "b"]]
    Redactor(["tokens"])(lines, WEB)
    assert [line.text for line in lines[1::2]] == ["TOKEN=[REDACTED]", "a line\nToken=[REDACTED]\n"]


PIECES = [
    "eyJ", "eyJ-", "eyJabcdef.", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "PRIVATE KEY",
    "bearer ", "bearer a", "password", "password=", 'password="', "password='", 'password=\\"',
    '"password":', "secret=>", "token[", "a://", "a://b", "a://b:", "://:", "a.", "a@", "a@b",
    "a@b.", "a-", "ghp_", "AKIA", "a", "-", " ", '"', "\\", "'", "=", "[", "0", "password-",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_hostile_line_ends_well(piece: str) -> None:
    # a pattern that is not linear does not end within the time limit of a test
    for size in (1_000, 200_000):
        text = piece * (size // len(piece))
        assert isinstance(redacted(text), str)
        assert isinstance(redacted(text + "@x y"), str)


def test_own_patterns_refer_to_their_groups() -> None:
    rule = Redaction(pattern=r"card=(\d{4})\d+(?P<rest>x?)", replacement=r"card=\1***\g<rest>")
    assert redacted("pay card=123456789x now", [rule]) == "pay card=1234***x now"
    assert own_rule(rule)("nothing here") == "nothing here"


def test_own_patterns_come_after_the_built_in_ones_and_count() -> None:
    line = Line("password=hunter2 card=1", "", 0)
    redactor = Redactor(["tokens", Redaction(pattern="REDACTED", replacement="gone")])
    redactor([line], WEB)
    assert line.text == "password=[gone] card=1"
    assert redactor.redacted == 1


@pytest.mark.parametrize("pattern", ["(", r"(?=x)", r"(a)\1", "[z-a]", "*"])
def test_a_pattern_that_re2_refuses_is_a_query_error(pattern: str) -> None:
    with pytest.raises(QueryError, match="RE2") as caught:
        own_rule(Redaction(pattern=pattern, replacement=""))
    assert caught.value.code == "bad_regex"


def test_own_patterns_see_unicode_as_characters() -> None:
    rule = Redaction(pattern="k.nig", replacement="person")
    assert redacted("der könig spricht", [rule]) == "der person spricht"
