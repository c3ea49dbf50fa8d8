from __future__ import annotations

import pytest

from towline.sources.docker.words import line_of

NAME = {"name": "web"}


@pytest.mark.parametrize(
    ("action", "attributes", "level", "text"),
    [
        ("start", {}, "info", "container web started"),
        ("die", {"exitCode": "0"}, "info", "container web exited with code 0"),
        ("die", {"exitCode": "143"}, "info", "container web exited with code 143"),
        ("die", {"exitCode": "137"}, "error", "container web exited with code 137"),
        ("die", {}, "error", "container web exited with code "),
        ("oom", {}, "error", "container web ran out of memory"),
        ("health_status: unhealthy", {}, "error", "container web is unhealthy"),
        ("health_status: healthy", {}, "info", "container web is healthy"),
        ("destroy", {}, "info", "container web was removed"),
    ],
)
def test_events_that_matter_to_people_are_said(
    action: str, attributes: dict[str, str], level: str, text: str
) -> None:
    line = line_of(action, {**NAME, **attributes}, 1_500_000_000)
    assert line is not None
    assert (line.level, line.text, line.system) == (level, text, True)
    assert (line.time, line.timestamp) == ("1970-01-01T00:00:01.500000000Z", 1500)


@pytest.mark.parametrize("action", ["", "exec_start: sh", "pause", "attach", "health_status: x"])
def test_other_events_are_not(action: str) -> None:
    assert line_of(action, NAME, 0) is None


def test_a_hostile_name_is_only_a_name() -> None:
    line = line_of("start", {"name": "{code}\n{0}"}, 0)
    assert line is not None
    assert line.text == "container {code}\n{0} started"
