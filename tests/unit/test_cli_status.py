from __future__ import annotations

from typing import Any

import pytest

from towline.commands.status import is_well, report

NOW = 1_700_000_000.0


def component(state: str = "up", ago: float = 5, **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"reason": None, "lastError": None, "counters": {}}
    return {"state": state, "since": round((NOW - ago) * 1000), **plain, **more}


def status(**components: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "device": {"id": "pi", "name": "Living room Pi"},
        "viewers": {"open": 2},
        "backends": [{"name": "mqtt", "lag": 12}, {"name": "idle", "lag": 0}],
        "containers": [
            {"source": "docker", "attached": True, "log": {"read": "files"}},
            {"source": "docker", "attached": False},
            {"source": "nas", "attached": True},
        ],
        "components": {key.replace("__", "."): found for key, found in components.items()},
    }


def shown(found: dict[str, Any]) -> list[str]:
    return report(found, NOW, lambda text, state: text).splitlines()


def test_the_table_says_how_every_component_is_and_since_when() -> None:
    lines = shown(status(store=component(ago=7300), sources__docker=component(ago=130)))
    assert lines == [
        "Towline 0.1.0 on Living room Pi (pi)",
        "",
        "component       state    for",
        "store           up       2 h",
        "sources.docker  up     2 min  reads 1 of 2 containers, 1 by files",
        "",
        "everything is up",
    ]


def test_what_is_not_up_is_told_with_its_reason_and_once_more_at_the_end() -> None:
    found = status(
        backends__mqtt=component("degraded", reason="connection refused", counters={"sent": 3}),
        api=component(),
    )
    lines = shown(found)
    assert lines[3].endswith("connection refused, 12 records behind, sent 3")
    assert lines[4].endswith("2 viewers")
    assert lines[-1] == "not up: backends.mqtt"
    assert not is_well(found)


@pytest.mark.parametrize("state", ["starting", "degraded", "stopped"])
def test_only_up_is_well(state: str) -> None:
    assert is_well(status(api=component()))
    assert not is_well(status(api=component(), store=component(state)))


def test_warnings_and_the_commit_that_runs_are_told() -> None:
    git = {"state": "in sync", "commit": "1a2b3c4d5e6f7a8b", "subject": "Keep a week"}
    found = status(configuration=component(warnings=[{}, {}]), git=component(git=git))
    lines = shown(found)
    assert lines[3].endswith("2 warnings")
    assert lines[4].endswith("in sync, 1a2b3c4d5e Keep a week")
    found = status(configuration=component(warnings=[{}]), git=component(git={"commit": None}))
    assert shown(found)[3].endswith("1 warning")


def test_a_reason_cannot_steer_the_terminal() -> None:
    found = status(api=component("degraded", reason="\x1b[2J\nup"))
    assert "\x1b" not in report(found, NOW, lambda text, state: text)


def test_a_clock_that_runs_ahead_over_there_gives_no_negative_time() -> None:
    assert "  0 s" in shown(status(api=component(ago=-30)))[3]


def test_an_alert_tells_when_it_fired_last() -> None:
    fired = component(lastFired=round((NOW - 180) * 1000), counters={"fired": 2})
    rows = shown(status(alerts__db_down=fired, alerts__other=component(lastFired=None)))
    told = [row for row in rows if "last fired" in row]
    assert len(told) == 1
    assert told[0].endswith("last fired 3 min ago, fired 2")
