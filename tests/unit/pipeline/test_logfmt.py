import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.pipeline.logfmt import LONGEST, MOST_PAIRS, pairs, parse_logfmt
from towline.record import LEVELS, Line


def parsed(text: str) -> Line:
    line = Line(text, "t", 1)
    parse_logfmt(line)
    return line


def test_level_message_and_the_rest_as_fields() -> None:
    line = parsed(
        'time="2026-11-21T10:00:00Z" level=warn msg="slow \\"query\\"\\n" ms=900 ok= path=/a?b=c'
    )
    assert (line.level, line.text) == ("warn", 'slow "query"\n')
    assert json.loads(line.fields) == {
        "time": "2026-11-21T10:00:00Z",
        "ms": "900",
        "ok": "",
        "path": "/a?b=c",
    }


@pytest.mark.parametrize(
    "text",
    [
        "set a=b and go",
        "a=b",
        "level=info it begins",
        "x = 1 y = 2",
        'GET /?a=b&c=d HTTP/1.1" 200',
        "1=2 3=4",
        'msg="open a=b',
        'msg="a"b c=d',
        "a=1 a=2",
        "https://x/?a=b c=d",
        "e=mc2, so it is",
        "",
        "=",
        "a=1 b",
        "a=1 " * (MOST_PAIRS + 1),
        " ".join(f"k{number}=v" for number in range(MOST_PAIRS + 1)),
        "a=1 b=" + "x" * LONGEST,
    ],
)
def test_what_is_not_pairs_from_end_to_end_stays_as_it_is(text: str) -> None:
    line = parsed(text)
    assert (line.text, line.fields, line.level) == (text, "", "")


def test_pairs_without_a_message_leave_the_text() -> None:
    line = parsed("status=500 path=/x ")
    assert line.text == "status=500 path=/x "
    assert json.loads(line.fields) == {"status": "500", "path": "/x"}


def test_an_escape_that_is_none_stays() -> None:
    assert pairs(r'a="\d+" b="\u00e9"') == {"a": r"\d+", "b": "é"}


@given(
    st.text()
    | st.lists(st.sampled_from(["a=", '"', "\\", " ", "level=info", "b=c", "x", "\n"])).map("".join)
)
def test_no_text_makes_it_fail(text: str) -> None:
    line = parsed(text)
    assert line.level in ("", *LEVELS)
    assert not line.fields or isinstance(json.loads(line.fields), dict)


VALUES = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_.]{0,9}", fullmatch=True), VALUES, min_size=1))
def test_pairs_come_back_as_they_were_written(given: dict[str, str]) -> None:
    text = " ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in given.items()
    )
    assert pairs(text) == given
