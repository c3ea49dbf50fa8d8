"""What no single value can tell: parts that do not go together, and what is merely odd."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.kinds import BACKENDS, SOURCES, told
from towline.config.files import disk_size
from towline.config.load import load
from towline.errors import ConfigError, Problem

BROKER = "brokers: {home: {servers: [mqtt://nas]}}\n"
BACKEND = (
    f"{BROKER}backends: {{a: {{type: mqtt, broker: home}}, b: {{type: mqtt, broker: home}}}}\n"
)


def warned(text: str, *, held: int | None = None, host_name: str = "pi") -> list[str]:
    """Warnings as `line:column code`."""
    warnings: list[Problem] = []
    load(
        f"version: 1\n{text}",
        SOURCES,
        BACKENDS,
        warn=warnings.append,
        disk_size=lambda _: held,
        host_name=host_name,
    )
    assert all(problem.severity == "warning" for problem in warnings)
    return [f"{problem.line}:{problem.column} {problem.code}" for problem in warnings]


def routes(*lines: str) -> str:
    return BACKEND + "routes:\n" + "".join(f"- {{{line}}}\n" for line in lines)


@pytest.mark.parametrize("everything", ["", "match: {}, ", "match: {name: '*'}, "])
def test_nothing_comes_to_a_route_after_a_final_one_for_everything(everything: str) -> None:
    text = routes(f"{everything}to: a, final: true", "match: {service: web}, to: b", "to: b")
    said = "no record comes here: route 1 is final and matches everything"
    assert told(f"version: 1\n{text}") == [f"6:3 {said}", f"7:3 {said}"]


def test_nothing_comes_to_a_route_after_a_final_one_for_the_same() -> None:
    text = routes("match: {service: web}, to: a, final: true", "match: {service: [web]}, to: b")
    said = "no record comes here: route 1 is final and matches the same"
    assert told(f"version: 1\n{text}") == [f"6:3 {said}"]


def test_routes_that_records_can_come_to_are_sound() -> None:
    text = routes(
        "match: {service: web}, to: a, final: true",
        "match: {service: api}, to: a",
        "match: {service: api}, to: b",
        "to: b, final: true",
    )
    assert warned(text) == []


def test_a_route_that_adds_nothing_is_warned_about() -> None:
    text = routes("match: {service: web}, to: [a, b]", "to: a", "match: {service: web}, to: b")
    assert warned(text) == ["7:3 repeated_route"]


def test_a_route_that_ends_the_search_adds_that() -> None:
    assert warned(routes("to: [a, b]", "match: {service: web}, to: a", "to: a, final: true")) == []


def test_two_brokers_with_one_client_id_at_one_server_are_told() -> None:
    text = (
        "version: 1\ndevice: {id: pi}\nbrokers:\n  a: {servers: [mqtt://x, mqtt://nas]}\n"
        "  b: {servers: ['mqtt://nas:1883'], client_id: towline-pi}\n"
        "  c: {servers: ['mqtt://nas:1884']}\n"
        "  d: {servers: [mqtt://nas], client_id: other}\n"
    )
    assert told(text) == [
        "5:37 brokers.b and brokers.a both need the client id 'towline-pi' at mqtt://nas:1883 "
        "for themselves"
    ]


@pytest.mark.parametrize(
    ("listen", "clashes"),
    [("127.0.0.1:80", True), ("0.0.0.0:80", True), ("[::]:80", True), ("0.0.0.0:81", False)],
)
def test_a_port_that_the_api_has_already_is_told(listen: str, clashes: bool) -> None:
    text = f"version: 1\napi: {{listen: '{listen}'}}\nsources: {{x: {{type: ingest, port: 80}}}}\n"
    assert bool(told(text)) is clashes


def test_port_0_is_any_free_one_for_everybody() -> None:
    sources = "sources: {x: {type: ingest, port: 0}, y: {type: ingest, port: 0}}"
    assert told(f"version: 1\napi: {{listen: '127.0.0.1:0'}}\n{sources}\n") == []


@pytest.mark.parametrize(
    ("rest", "warnings"),
    [
        ("topic: 'a/{device}', retain: true", ["3:71 shared_topic"]),
        ("topic: 'a/{service}', retain: true", []),
        ("topic: all", ["3:49 shared_topic"]),
        ("topic: 'a/{device}'", []),
    ],
)
def test_topics_that_throw_containers_together_are_warned_about(
    rest: str, warnings: list[str]
) -> None:
    text = f"{BROKER}backends: {{a: {{type: mqtt, broker: home, {rest}}}}}\n"
    assert warned(text) == warnings


def test_a_store_that_is_larger_than_the_disk_is_warned_about() -> None:
    text = "store:\n  retention: {max_size: 64GB}\n"
    assert warned(text, held=32 * 10**9) == ["3:25 disk_too_small"]
    assert warned(text, held=64 * 10**9) == []
    assert warned(text) == []
    assert warned("store: {persist: false, retention: {max_size: 64GB}}\n", held=1) == []


def test_free_space_that_the_disk_does_not_have_is_warned_about() -> None:
    text = "store:\n  retention: {min_free: 64GB}\n"
    assert warned(text, held=32 * 10**9) == ["3:25 disk_too_small"]


@pytest.mark.parametrize(
    ("first", "second", "warnings"),
    [
        ("match: {service: web}, ", "match: {service: web}, ", ["6:9 unreachable_rule"]),
        ("", "match: {service: web}, ", ["6:9 unreachable_rule"]),
        ('match: {name: "*"}, ', "", ["6:9 unreachable_rule"]),
        ("match: {service: web}, ", "match: {service: db}, ", []),
    ],
)
def test_a_rule_of_retention_that_decides_nothing_is_warned_about(
    first: str, second: str, warnings: list[str]
) -> None:
    rules = "".join(f"      - {{{match}max_age: 1h}}\n" for match in (first, second))
    assert warned(f"store:\n  retention:\n    rules:\n{rules}") == warnings


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_folder_above(
    tmp_path: Path,
) -> None:
    assert disk_size(tmp_path / "not" / "yet") == disk_size(tmp_path)
    assert disk_size(Path("not/yet")) == disk_size(Path())


@pytest.mark.parametrize(
    ("alert", "codes"),
    [
        ("{match: {service: a}, actions: []}", ["no_actions"]),
        ("{match: {}, actions: [{log: {}}]}", ["fires_always"]),
        ("{match: {}, over: 9 in 1m, actions: [{log: {}}]}", []),
        ("{event: die, actions: [{notify: {}}]}", ["no_broker"]),
        (
            "{event: die, actions: [{http: {url: 'https://h', tls: {verify: false}}}]}",
            ["unverified"],
        ),
        ("{event: die, actions: [{log: {}}]}", []),
    ],
)
def test_alerts_that_do_nothing_useful_are_told(alert: str, codes: list[str]) -> None:
    told = [place.split()[1] for place in warned(f"alerts:\n  one: {alert}\n")]
    assert told == codes


def test_home_assistant_is_told_by_a_broker_there_is() -> None:
    assert warned(f"{BROKER}alerts: {{one: {{event: die, actions: [{{notify: {{}}}}]}}}}\n") == []


def test_warnings_are_told_beside_errors() -> None:
    warnings: list[Problem] = []
    text = f"version: 1\n{routes('to: a', 'to: a')}store: 5\n"
    with pytest.raises(ConfigError):
        load(text, SOURCES, BACKENDS, warn=warnings.append)
    assert [problem.code for problem in warnings] == ["repeated_route"]


def test_thousands_of_routes_and_brokers_are_compared_at_once() -> None:
    many = "".join(f"- {{match: {{service: s{n}}}, to: a, final: true}}\n" for n in range(1000))
    servers = ", ".join(f"'mqtt://h{n}'" for n in range(16))
    brokers = "".join(f"  b{n}: {{servers: [{servers}], client_id: c{n}}}\n" for n in range(900))
    brokers = f"brokers:\n  home: {{servers: [mqtt://nas]}}\n{brokers}"
    assert warned(f"{BACKEND.replace(BROKER, brokers)}routes:\n{many}") == []
