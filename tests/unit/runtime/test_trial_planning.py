from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from towline.config.environment import Overrides
from towline.config.load import load
from towline.config.settings import Settings
from towline.errors import ConfigError
from towline.kinds import BACKENDS, SOURCES
from towline.runtime.configuration import Configuration, Options
from towline.runtime.diff import Spec
from towline.runtime.differences import differences
from towline.runtime.planning import check, planned, routing
from towline.runtime.preview import Present
from towline.runtime.specs import specs

BASE = """version: 1
device: {id: pi}
sources: {demo: {type: demo, interval: 1s}}
store: {flush: 5s, retention: {max_size: 1GB}}
brokers:
  home: {servers: ["mqtt://a"], username: me, password: hunter2}
backends:
  mqtt: {type: mqtt, broker: home, topic: "a/{level}"}
routes:
- {match: {service: web}, to: mqtt}
- {match: {regex: "(?i)payment"}, to: mqtt, final: true}
api: {tokens: [{name: phone, hash: "%s"}]}
""" % ("0a" * 32)


def settings(text: str, secrets: str = "") -> Settings:
    return load(
        text, SOURCES, BACKENDS, file=Path("/x/t.yaml"), read=lambda _: secrets.encode() or None
    )


def plan(old: str, new: str, secrets: tuple[str, str] = ("", "")) -> dict[str, Any]:
    present, wanted = settings(old, secrets[0]), settings(new, secrets[1])
    running = specs(present, SOURCES, BACKENDS)
    return planned(running, present, wanted, SOURCES, BACKENDS).as_json()


def changed(old: str, new: str, **rest: Any) -> dict[str, Any]:
    return {each["key"]: each for each in plan(old, new, **rest)["changed"]}


def test_the_same_file_changes_nothing() -> None:
    found = plan(BASE, f"# a comment\n{BASE}")
    assert found["changes"] is False
    assert set(found["kept"]) == set(specs(settings(BASE), SOURCES, BACKENDS))


def test_what_comes_and_goes_is_told() -> None:
    found = plan(BASE, BASE.replace("demo: {type", "other: {type"))
    assert (found["added"], found["removed"]) == (["sources.other"], ["sources.demo"])
    assert found["changed"] == []
    assert "backends.mqtt" in found["kept"]


@pytest.mark.parametrize(
    ("old", "new", "key", "setting"),
    [
        ("1s", "500ms", "sources.demo", ("interval", "1s", "500ms")),
        ("5s", "2m", "retention", ("store.flush", "5s", "2m")),
        ("1GB", "20MB", "retention", ("store.retention.max_size", "1GB", "20MB")),
        ("a/{", "b/{", "backends.mqtt", ("topic", '"a/{level}"', '"b/{level}"')),
        ('"mqtt://a"', '"mqtt://a", "mqtt://b"', "brokers.home", None),
        ("username: me", "username: you", "brokers.home", ("username", "me", "you")),
        ('{level}"}', '{level}", batch: {}}', "backends.mqtt", ("batch.max_age", "", "1s")),
        ("to: mqtt}", "to: mqtt, final: true}", "routes", None),
    ],
)
def test_a_setting_that_differs_is_told_as_the_file_writes_it(
    old: str, new: str, key: str, setting: tuple[str, str, str] | None
) -> None:
    found = changed(BASE, BASE.replace(old, new))[key]
    assert found["settings"]
    if setting:
        assert found["settings"][0] == dict(
            zip(("setting", "before", "after"), setting, strict=True)
        )


def test_a_route_that_comes_is_told_without_the_others() -> None:
    new = BASE.replace("routes:\n", "routes:\n- {match: {not: {level: [info]}}, to: mqtt}\n")
    after = "{match: {not: {level: [info]}}, to: [mqtt], final: false}"
    assert changed(BASE, new)["routes"]["settings"] == [
        {"setting": "routes", "before": "", "after": after}
    ]


def test_another_order_of_routes_is_a_change() -> None:
    first, second = BASE.splitlines()[9:11]
    new = BASE.replace(f"{first}\n{second}", f"{second}\n{first}")
    (told,) = changed(BASE, new)["routes"]["settings"]
    assert told["setting"] == "routes"


def test_what_leans_on_a_moving_part_says_so() -> None:
    found = changed(BASE, BASE.replace("username: me", "username: you"))
    assert found["backends.mqtt"]["settings"] == []
    assert found["backends.mqtt"]["because"] == ["brokers.home"]
    assert found["brokers.home"]["because"] == []


SECRET = BASE.replace("a/{level}", "x").replace('topic: "x"', "topic: !secret topic")


@pytest.mark.parametrize(
    ("old", "new", "secrets"),
    [
        (BASE, BASE.replace("hunter2", "hunter3"), ("", "")),
        (BASE, BASE.replace("0a0a", "0b0b"), ("", "")),
        (SECRET, SECRET, ("topic: hunter2-old", "topic: hunter3-new")),
        (SECRET, BASE, ("topic: hunter2-old", "topic: hunter2-old")),
        (BASE, SECRET, ("", "topic: hunter3-new")),
    ],
)
def test_of_a_secret_nothing_but_that_it_differs_is_told(
    old: str, new: str, secrets: tuple[str, str]
) -> None:
    found = plan(old, new, secrets)
    assert found["changed"]
    assert {"secret"} <= {name for each in found["changed"] for s in each["settings"] for name in s}
    said = json.dumps(found)
    assert not any(word in said for word in ("hunter", "0a0a", "0b0b"))


def test_a_password_in_an_address_is_not_told() -> None:
    old, new = (Spec(key="backends.x", config=settings(BASE).brokers["home"]) for _ in range(2))
    object.__setattr__(new.config, "servers", ("mqtt://me:hunter2@b",))
    (told,) = differences(old, new, frozenset())
    assert told.after == '["mqtt://me:***@b"]'


def test_what_needs_a_restart_is_told() -> None:
    found = plan(BASE, BASE.replace("store: {", "store: {path: /elsewhere, "))
    assert found["changes"] is True
    (told,) = found["restart"]
    assert (told["setting"], told["after"]) == ("store.path", "/elsewhere")


def test_routes_travel_to_a_preview_and_stay_the_same() -> None:
    found = json.loads(json.dumps(routing(settings(BASE))))
    present = Present.parse(found)
    assert present.backends == ("mqtt",)
    assert present.routes == settings(BASE).routes


def configuration(file: Path) -> Configuration:
    options = Options(file=file, environment={"TOPIC": "from/env"}, overrides=Overrides())
    return Configuration(options, SOURCES, BACKENDS)


async def test_a_text_is_read_as_if_it_stood_in_the_files_place(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("level: mine\n")
    found = configuration(tmp_path / "towline.yaml")
    text = BASE.replace("password: hunter2", "password: !secret level")
    text = text.replace('"a/{level}"', "!env_var TOPIC")
    read = found.tried(text.encode())
    assert read.brokers["home"].password.reveal() == "mine"
    assert read.backends["mqtt"].config.topic == "from/env"
    assert await check(found, text.encode()) == ()


async def test_problems_of_a_text_name_it_as_its_author_does(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("a: 1\na: 2\n")
    found = configuration(tmp_path / "towline.yaml")
    text = b"version: 1\nbrokers: {home: {servers: [x], password: !secret b}}\n"
    problems = await check(found, text, "devices/pi.yaml")
    assert {told.file for told in problems} == {"devices/pi.yaml", str(tmp_path / "secrets.yaml")}


def test_trying_a_text_leaves_what_the_watcher_compares_with(tmp_path: Path) -> None:
    file = tmp_path / "towline.yaml"
    file.write_text(BASE)
    found = configuration(file)
    found.load()
    seen = dict(found.files.seen)
    assert file in seen
    with pytest.raises(ConfigError):
        found.tried(BASE.replace("hunter2", "!secret x").encode())
    assert dict(found.files.seen) == seen


@pytest.mark.parametrize(
    ("section", "key", "told"),
    [
        ("homeassistant: {discovery: true, language: X}", "homeassistant", ("en", "de")),
        ("requests: {enabled: true, broker: X}", "requests", None),
    ],
)
def test_what_speaks_over_a_broker_is_planned_like_the_rest(
    section: str, key: str, told: tuple[str, str] | None
) -> None:
    before, after = told or ("home", "home")
    old, new = (f"{BASE}\n{section.replace('X', word)}\n" for word in (before, after))
    assert key in plan(BASE, old)["added"]
    found = changed(old, new)
    assert (key in found) == bool(told)
    if told:
        assert found[key]["settings"][0]["after"] == after
