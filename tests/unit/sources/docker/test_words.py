from __future__ import annotations

import json
from typing import Any

import pytest

from towline.sources.docker.words import ACTIONS, line_of

NAME = {"name": "web"}


@pytest.mark.parametrize(
    ("action", "attributes", "level", "text", "fields"),
    [
        ("create", {}, "info", "was created", {"event": "create"}),
        ("start", {}, "info", "started", {"event": "start"}),
        ("restart", {}, "info", "was restarted", {"event": "restart"}),
        ("die", {"exitCode": "0"}, "info", "exited with code 0", {"event": "die", "exitCode": 0}),
        ("die", {"exitCode": "143"}, "info", "exited with code 143", {"exitCode": 143}),
        ("die", {"exitCode": "137"}, "error", "exited with code 137", {"exitCode": 137}),
        ("die", {}, "error", "exited", {"event": "die"}),
        ("die", {"exitCode": "x"}, "error", "exited", {"event": "die"}),
        ("oom", {}, "error", "ran out of memory", {"event": "oom"}),
        ("pause", {}, "info", "was paused", {"event": "pause"}),
        ("unpause", {}, "info", "goes on", {"event": "unpause"}),
        ("kill", {"signal": "15"}, "info", "was sent signal 15 (SIGTERM)", {"signal": 15}),
        ("kill", {"signal": "99"}, "info", "was sent signal 99", {"signal": 99}),
        ("kill", {}, "info", "was sent a signal", {"event": "kill"}),
        ("rename", {"oldName": "/api"}, "info", "was renamed, it was api", {"was": "api"}),
        ("health_status: unhealthy", {}, "error", "is unhealthy", {"event": "unhealthy"}),
        ("health_status: healthy", {}, "info", "is healthy", {"event": "healthy"}),
        ("destroy", {}, "info", "was removed", {"event": "destroy"}),
    ],
)
def test_events_that_matter_to_people_are_said(
    action: str, attributes: dict[str, str], level: str, text: str, fields: dict[str, Any]
) -> None:
    line = line_of(action, {**NAME, **attributes}, 1_500_000_000)
    assert line is not None
    assert (line.level, line.text, line.system) == (level, f"Container web {text}", True)
    assert (line.time, line.timestamp, line.seq) == ("1970-01-01T00:00:01.500000000Z", 1500, 0)
    found = json.loads(line.fields)
    assert {**found, **fields} == found


@pytest.mark.parametrize(
    ("code", "oom", "signalled", "level", "text"),
    [
        ("137", True, 9, "error", "exited with code 137 (out of memory)"),
        ("137", False, 9, "warn", "exited with code 137"),
        ("137", False, 15, "error", "exited with code 137"),
        ("130", False, 2, "info", "exited with code 130"),
        ("1", False, 15, "error", "exited with code 1"),
    ],
)
def test_an_end_that_somebody_asked_for_is_no_error(
    code: str, oom: bool, signalled: int, level: str, text: str
) -> None:
    line = line_of("die", {**NAME, "exitCode": code}, 0, oom=oom, signalled=signalled)
    assert line is not None
    assert (line.level, line.text) == (level, f"Container web {text}")
    assert json.loads(line.fields).get("oom", False) == oom


def test_what_is_told_late_says_so() -> None:
    line = line_of("die", {**NAME, "exitCode": "3"}, 0, late=True)
    assert line is not None
    assert line.text.startswith("Container web exited with code 3 (seen late")
    assert json.loads(line.fields) == {"event": "die", "exitCode": 3, "late": True}


@pytest.mark.parametrize("action", ["", "exec_start: sh", "stop", "attach", "health_status: x"])
def test_other_events_are_not(action: str) -> None:
    assert line_of(action, NAME, 0) is None


def test_the_engine_is_asked_for_what_is_said_and_for_no_more() -> None:
    assert "health_status" in ACTIONS
    assert "exec_start" not in ACTIONS


def test_a_hostile_name_is_only_a_name() -> None:
    line = line_of("rename", {"name": "{code}\n{0}", "oldName": '/"\\'}, 0)
    assert line is not None
    assert line.text == 'Container {code}\n{0} was renamed, it was "\\'
    assert json.loads(line.fields)["was"] == '"\\'
