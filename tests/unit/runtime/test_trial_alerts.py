"""What cases and previews say of alerts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.runtime.trial_rig import DB, THREE, WEB, line, settings
from towline.kinds import BACKENDS, SOURCES
from towline.pipeline.encode import encode, template_of
from towline.record import Origin, OriginType
from towline.runtime.cases import Miss, run_cases
from towline.runtime.planning import planned
from towline.runtime.preview import Preview
from towline.runtime.specs import specs

ALERTS = """alerts:
  db_down: {match: {service: web, regex: database}, over: 2 in 10s, cooldown: off, actions: []}
  crashed: {event: die, unless_exit: [0], actions: []}
  asleep: {match: {}, enabled: false, actions: []}
"""


def misses(given: str, expect: str) -> list[Miss]:
    case = f"tests: [{{name: a, given: {given}, expect: {expect}}}]\n"
    (verdict,) = run_cases(settings(ALERTS + case))
    return list(verdict.misses)


def test_a_case_names_the_alerts_that_count_its_line() -> None:
    given = "{message: database gone, service: web}"
    assert misses(given, "{alerts: db_down}") == []
    assert misses(given, "{alerts: []}") == [Miss("alerts", [], ["db_down"])]
    assert misses("{message: x}", "{alerts: [db_down]}") == [Miss("alerts", ["db_down"], [])]


def test_a_case_may_be_an_event() -> None:
    assert misses("{message: x, event: die, exit_code: 137}", "{alerts: crashed}") == []
    assert misses("{message: x, event: die, exit_code: 0}", "{alerts: []}") == []
    assert misses("{message: x, event: start}", "{alerts: []}") == []


def rows(origin: Origin, *said: tuple[int, str], fields: str = "") -> list[bytes]:
    lines = [line(text, at, level="info", fields=fields) for at, text in said]
    return [record.json for record in encode(template_of(origin), lines, 1)]


def previewed(*pages: list[bytes]) -> dict[str, Any]:
    preview = Preview(settings(ALERTS), None)
    for page in pages:
        preview.add(page)
    found: dict[str, Any] = preview.as_json()["alerts"]
    return found


def test_a_preview_counts_how_often_an_alert_would_have_fired() -> None:
    said = [(1000, "database 1"), (2000, "database 2"), (50_000, "database 3")]
    found = previewed(rows(WEB, *said) + rows(DB, (2000, "database")))
    assert (found["db_down"]["matched"], found["db_down"]["count"]) == (3, 1)
    (sample,) = found["db_down"]["samples"]
    assert (sample["name"], sample["message"]) == ("shop-web-1", "database 2")
    assert "asleep" not in found


def test_pages_may_come_the_newest_first() -> None:
    newest, oldest = rows(WEB, (3000, "database 2")), rows(WEB, (1000, "database 1"))
    assert previewed(newest, oldest)["db_down"]["count"] == 1


def test_a_preview_knows_events() -> None:
    system = replace(WEB, type=OriginType.SYSTEM)
    died = rows(system, (1000, "it died"), fields='{"event":"die","exitCode":1}')
    assert previewed(died)["crashed"]["count"] == 1


def plan(before: str, after: str) -> dict[str, Any]:
    old, new = settings(before), settings(after)
    found = planned(specs(old, SOURCES, BACKENDS), old, new, SOURCES, BACKENDS)
    return found.as_json()


def test_a_plan_touches_the_changed_alert_alone_and_shows_no_address() -> None:
    before = ALERTS.replace("actions: []}", "actions: [{http: {url: 'http://h/hunter2'}}]}", 1)
    after = before.replace("cooldown: off", "cooldown: 5m").replace("hunter2", "hunter3")
    found = plan(before, after)
    (change,) = found["changed"]
    assert change["key"] == "alerts.db_down"
    assert {"setting": "cooldown", "before": "off", "after": "5m"} in change["settings"]
    assert "hunter" not in str(found)
    assert "alerts.crashed" in found["kept"]


def test_another_broker_touches_no_alert_that_only_publishes_to_it() -> None:
    publish = "actions: [{publish: {broker: home, topic: x}}]}"
    before = ALERTS.replace("actions: []}", publish, 1)
    old, new = settings(before), settings(before, THREE.replace("127.0.0.1", "127.0.0.2"))
    found = planned(specs(old, SOURCES, BACKENDS), old, new, SOURCES, BACKENDS).as_json()
    assert "brokers.home" in [change["key"] for change in found["changed"]]
    assert {"alerts.db_down", "alerts.crashed"} <= set(found["kept"])
