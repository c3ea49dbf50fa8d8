from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.edit import Tagged, edited, shown
from towline.errors import EditError

HOME = ("brokers", "home")
FILE = """\
version: 1   # the first

# who we are
device: {id: pi}

brokers:
  # at home
  home:
    servers:        # in order
      - mqtt://a    # the good one
      - mqtt://b
    username: !secret mqtt_user  # not mine
    password: !secret mqtt_password
    tls:
      # ours
      ca: ca.pem
      verify: true
    keep_alive: 30s

  # elsewhere
  away: {servers: [mqtt://c], password: hunter2, keep_alive: 5m}

# the end
api: {listen: "127.0.0.1:8099"}
"""
SEEN = {
    "servers": ["mqtt://a", "mqtt://b"],
    "username": "***",
    "password": "***",
    "tls": {"ca": "ca.pem", "verify": True},
    "keep_alive": "30s",
}


def lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """What is gone and what is new."""
    old, new = before.splitlines(), after.splitlines()
    return [x for x in old if x not in new], [x for x in new if x not in old]


def test_a_mapping_is_shown_with_its_secrets_masked() -> None:
    assert shown(FILE, HOME) == SEEN
    away = shown(FILE, ("brokers", "away"))
    assert away == {"servers": ["mqtt://c"], "password": "***", "keep_alive": "5m"}
    assert shown(FILE, ("brokers", "none")) is None
    assert shown("version: 1\n", HOME) is None
    assert shown("version: 1\nbrokers:\n", HOME) is None


def test_what_is_written_as_it_is_shown_changes_nothing() -> None:
    assert edited(FILE, HOME, SEEN) == FILE


@pytest.mark.parametrize(
    ("change", "gone", "new"),
    [
        ({"keep_alive": "1m"}, ["    keep_alive: 30s"], ["    keep_alive: 1m"]),
        (
            {"tls": {"ca": "other.pem", "verify": True}},
            ["      ca: ca.pem"],
            ["      ca: other.pem"],
        ),
        ({"version": "5"}, [], ['    version: "5"']),
        (
            {"username": "me and # you"},
            ["    username: !secret mqtt_user  # not mine"],
            ['    username: "me and # you"  # not mine'],
        ),
        ({"username": None}, ["    username: !secret mqtt_user  # not mine"], []),
        (
            {"tls": {"ca": "ca.pem", "verify": True, "alpn": ["mqtt"]}},
            [],
            ["      alpn: [mqtt]"],
        ),
        (
            {"password": Tagged("!encrypted abc")},
            ["    password: !secret mqtt_password"],
            ["    password: !encrypted abc"],
        ),
    ],
)
def test_only_what_changes_is_touched(
    change: dict[str, Any], gone: list[str], new: list[str]
) -> None:
    wanted = {key: value for key, value in (SEEN | change).items() if value is not None}
    assert lines(FILE, edited(FILE, HOME, wanted)) == (gone, new)


def test_a_list_is_written_anew_where_it_stands() -> None:
    found = edited(FILE, HOME, SEEN | {"servers": ["mqtts://x"]})
    assert '    servers: ["mqtts://x"]\n    username:' in found


def test_a_mapping_in_braces_keeps_what_is_not_changed() -> None:
    way = ("brokers", "away")
    wanted = {"servers": ["mqtt://c"], "password": "***", "clean_session": True}
    assert lines(FILE, edited(FILE, way, wanted)) == (
        ["  away: {servers: [mqtt://c], password: hunter2, keep_alive: 5m}"],
        ["  away: {servers: [mqtt://c], password: hunter2, clean_session: true}"],
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "version: 1\n",
        "version: 1",
        "version: 1\nbrokers:\napi: {}\n",
        "version: 1\nbrokers: {}\napi: {}\n",
        "version: 1\nbrokers: {a: {servers: [mqtt://a]}}\n",
        "version: 1\nbrokers:\n    a:\n        servers: [mqtt://a] # a\n# end\n",
        FILE.replace("home", "house"),
    ],
)
def test_what_is_not_there_yet_is_added(text: str) -> None:
    wanted = {"servers": ["mqtt://x"], "tls": {"verify": True}}
    found = edited(text, HOME, wanted)
    assert shown(found, HOME) == wanted
    assert lines(text, found)[0] in (
        [],
        ["brokers: {}"],
        ["brokers: {a: {servers: [mqtt://a]}}"],
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("version: 1\nbrokers: !include brokers.yaml\n", "included"),
        ("version: 1\nbrokers: {home: !include home.yaml}\n", "included"),
        ("version: 1\nbrokers: [home]\n", "not_editable"),
        (
            "version: 1\nbrokers:\n  a: &a\n    servers: [mqtt://a]\n    tls: &t {ca: a}\n"
            "  home:\n    servers: [mqtt://a]\n    tls: *t\n",
            "not_editable",
        ),
    ],
)
def test_what_cannot_be_edited_without_harm_is_refused(text: str, code: str) -> None:
    with pytest.raises(EditError) as caught:
        edited(text, HOME, {"servers": ["mqtt://b"], "tls": {"ca": "b"}})
    assert caught.value.code == code


@pytest.mark.parametrize("key", ["a: b", "a\nbackends", "", "a#", "<<", "!secret x"])
def test_a_key_that_could_say_more_than_a_key_is_refused(key: str) -> None:
    for way, wanted in ((HOME, {key: 1}), (HOME, {"tls": {key: 1}}), (("brokers", key), {"a": 1})):
        with pytest.raises(EditError):
            edited(FILE, way, wanted)


def test_a_mask_that_stands_for_nothing_is_refused() -> None:
    for wanted in (SEEN | {"keep_alive": "***"}, SEEN | {"tls": {"key": "***"}}):
        with pytest.raises(EditError) as caught:
            edited(FILE, HOME, wanted)
        assert caught.value.code == "masked_value"


VALUES = st.one_of(
    st.booleans(),
    st.integers(0, 9999),
    st.text(max_size=12),
    st.lists(st.text(max_size=5), max_size=3),
)
MAPPINGS = st.dictionaries(
    st.sampled_from(["servers", "username", "tls", "will", "keep_alive", "version", "a"]),
    st.one_of(VALUES, st.dictionaries(st.sampled_from(["ca", "verify", "x"]), VALUES, max_size=3)),
    min_size=1,
    max_size=6,
)


@given(MAPPINGS, st.sampled_from(["home", "away", "new"]))
def test_it_says_what_was_wanted_or_refuses(wanted: dict[str, Any], name: str) -> None:
    way = ("brokers", name)
    try:
        found = edited(FILE, way, wanted)
    except EditError:
        return
    assert shown(found, way) == wanted
    others = {"home", "away"} - {name}
    assert all(
        shown(found, ("brokers", other)) == shown(FILE, ("brokers", other)) for other in others
    )
    assert found.startswith(FILE[: FILE.index("brokers:")])
    assert "# the end\napi:" in found
