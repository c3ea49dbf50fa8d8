from __future__ import annotations

from towline.commands.doctor import report

FOUND = [
    {
        "severity": "error",
        "about": "brokers.home",
        "text": "connection refused\x1b[2J",
        "remedy": "`towline mqtt test home`",
    },
    {"severity": "warning", "about": "web", "text": "lines were lost", "remedy": ""},
]


def test_a_finding_is_a_line_with_its_remedy_and_cannot_steer_a_terminal() -> None:
    first, second, last = report(FOUND, 3).splitlines()
    assert "brokers.home" in first
    assert first.endswith("→ `towline mqtt test home`")
    assert "\x1b[2J" not in first
    assert second.endswith(": lines were lost")
    assert last == "(3 more with --notes)"


def test_where_nothing_is_wrong_that_is_said() -> None:
    assert report([], 0) == "nothing is wrong"
