from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.alerts.rig import API, NOW, WEB, alert, event, record
from towline.alerts.rules import MOST_GROUPS, Change, Sieve, Windows, group_of
from towline.record import OriginType


def windows(**keys: Any) -> Windows:
    return Windows(alert(**keys))


def fired(counted: Windows, times: list[int], group: str = "web") -> list[int]:
    """The times in seconds at which lines make it fire."""
    found = []
    for at in times:
        change = counted.hit(group, NOW + at * 1000, NOW + 10**9)
        if change is not None:
            found.append(at)
    return found


# --- which records count ----------------------------------------------------------------------


def test_lines_count_by_the_match_language() -> None:
    sieve = Sieve(alert(match={"service": "api", "regex": "(?i)database"}))
    assert sieve(record("Database gone", origin=API))
    assert not sieve(record("all well", origin=API))
    assert not sieve(record("Database gone", origin=WEB))


@pytest.mark.parametrize(("code", "counts"), [(0, False), (143, False), (137, True), (None, True)])
def test_an_end_counts_unless_its_exit_code_is_left_out(code: int | None, counts: bool) -> None:
    assert Sieve(alert(event="die", unless_exit=[0, 143]))(event("die", code)) is counts


def test_other_events_do_not_count() -> None:
    sieve = Sieve(alert(event=["oom", "unhealthy"]))
    assert sieve(event("oom"))
    assert sieve(event("unhealthy"))
    assert not sieve(event("healthy"))


def test_a_container_cannot_pretend_an_event() -> None:
    assert not Sieve(alert(event="die"))(record("it died", event="die", exitCode=1))


def test_a_match_beside_an_event_narrows_it_down() -> None:
    sieve = Sieve(alert(event="die", match={"service": "web"}))
    assert sieve(event("die", 1))
    assert not sieve(event("die", 1, origin=API))


def test_fields_that_are_no_event_are_passed_over() -> None:
    system = replace(WEB, type=OriginType.SYSTEM)
    assert not Sieve(alert(event="die"))(record("x", origin=system, event=5))


def test_what_alerts_write_never_counts() -> None:
    own = replace(WEB, type=OriginType.MANAGER, name="alerts")
    assert not Sieve(alert(match={}))(record("alert x fired", origin=own))
    assert Sieve(alert(match={}))(record("x", origin=replace(own, name="towline")))


def test_a_container_called_alerts_counts() -> None:
    named = replace(WEB, name="alerts")
    assert Sieve(alert(match={}))(record("x", origin=named))
    assert Sieve(alert(event="die"))(event("die", 1, origin=named))


# --- groups -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "name"),
    [
        (("origin",), "shop-web-1"),
        (("service", "level"), "web, info"),
        (("app",), "shop"),
        (("all",), ""),
        (("device",), "pi"),
    ],
)
def test_groups_are_named_for_people(group: tuple[str, ...], name: str) -> None:
    assert group_of(record(), group, "pi") == name


def test_the_event_and_the_lines_of_a_container_are_one_group() -> None:
    assert group_of(event("die"), ("origin",), "pi") == group_of(record(), ("origin",), "pi")


def test_containers_of_one_name_on_two_devices_are_two_groups() -> None:
    other = record(origin=replace(WEB, device="nas"))
    assert group_of(other, ("origin",), "pi") == "shop-web-1, nas"


def test_what_is_not_known_is_a_group_of_its_own() -> None:
    assert group_of(record(origin=replace(WEB, project=None)), ("project",), "pi") == "unknown"


# --- windows ----------------------------------------------------------------------------------


def test_it_fires_at_the_line_that_is_too_many() -> None:
    assert fired(windows(over="3 in 10s", cooldown="off"), [0, 4, 9]) == [9]


def test_lines_that_are_too_far_apart_do_not_add_up() -> None:
    assert fired(windows(over="3 in 10s"), [0, 4, 10, 19, 28]) == []


def test_without_a_cooldown_it_counts_from_the_beginning_after_it_fired() -> None:
    assert fired(windows(over="2 in 10s", cooldown="off"), [0, 1, 2, 3, 4]) == [1, 3]


def test_a_cooldown_keeps_a_group_silent_and_the_rest_is_counted() -> None:
    counted = windows(over="1 in 1m", cooldown="30s")
    assert fired(counted, [0, 1, 2, 29]) == [0]
    change = counted.hit("web", NOW + 30_000, NOW + 10**9)
    assert change == Change(
        group="web", fired=True, at=NOW + 30_000, count=1, suppressed=3, origin={}
    )
    assert counted.suppressed == 3


def test_what_goes_on_beyond_the_cooldown_fires_at_once_after_it() -> None:
    times = list(range(0, 100, 2))
    assert fired(windows(over="5 in 10s", cooldown="40s"), times) == [8, 48, 88]


def test_groups_are_counted_apart() -> None:
    counted = windows(over="2 in 1m")
    assert fired(counted, [0], "a") == fired(counted, [0], "b") == []
    assert fired(counted, [1], "a") == [1]


def test_a_line_from_the_future_counts_as_of_now() -> None:
    counted = windows(over="1 in 1m", cooldown="1m")
    assert counted.hit("web", NOW + 10**8, NOW) is not None
    assert counted.hit("web", NOW + 10**8, NOW + 30_000) is None
    assert counted.hit("web", NOW + 61_000, NOW + 61_000) is not None


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    counted = windows(over="1 in 1m", cooldown="1h")
    assert counted.hit("web", NOW, NOW) is not None
    assert counted.hit("web", NOW - 10**7, NOW - 10**7) is not None


def test_a_late_line_counts_in_its_own_time() -> None:
    assert fired(windows(over="3 in 10s"), [0, 100, 4, 8]) == []
    assert fired(windows(over="3 in 10s"), [0, 20, 15, 11]) == [11]


def test_the_group_that_was_quiet_longest_is_forgotten() -> None:
    counted = windows(over="2 in 1h")
    for number in range(MOST_GROUPS + 5):
        counted.hit(f"g{number}", NOW, NOW)
    assert counted.forgotten == 5
    assert counted.hit("g0", NOW, NOW) is None  # its first line is forgotten
    assert counted.hit(f"g{MOST_GROUPS}", NOW, NOW) is not None


def test_it_is_over_when_nothing_came_for_long_enough() -> None:
    counted = windows(over="1 in 1m", cooldown="off", resolve="10s")
    assert counted.due() is None
    counted.hit("web", NOW, NOW)
    counted.hit("web", NOW + 5000, NOW + 5000)
    assert counted.firing == ["web"]
    assert counted.due() == NOW + 15_000
    assert counted.over(NOW + 14_999) == []
    (change,) = counted.over(NOW + 15_000)
    assert (change.fired, change.group, change.at) == (False, "web", NOW + 15_000)
    assert counted.over(NOW + 99_999) == []
    assert counted.firing == []


def test_without_resolve_it_is_never_over() -> None:
    counted = windows()
    counted.hit("web", NOW, NOW)
    assert counted.over(NOW + 10**9) == []
    assert counted.firing == []


def test_what_is_over_is_told_of_the_same_origin_also_after_a_restart() -> None:
    keys = {"over": "1 in 1m", "resolve": "10s"}
    before, after = windows(**keys), windows(**keys)
    before.hit("web", NOW, NOW, lambda: {"service": "web"})
    after.restore(before.state())
    (change,) = after.over(NOW + 10_000)
    assert change.origin == {"service": "web"}


def naive(times: list[int], count: int, span: int, cooldown: int) -> list[int]:
    """What times that only rise must lead to, written as the manual says it."""
    fires: list[int] = []
    hits: list[int] = []
    for at in times:
        hits.append(at)
        if fires and at - fires[-1] < cooldown:
            continue
        if len([hit for hit in hits if hit > at - span]) >= count:
            fires.append(at)
            hits = []
    return fires


@given(
    gaps=st.lists(st.integers(0, 30), max_size=60),
    count=st.integers(1, 6),
    span=st.integers(1, 60),
    cooldown=st.integers(0, 60),
)
def test_windows_do_as_the_manual_says(
    gaps: list[int], count: int, span: int, cooldown: int
) -> None:
    times = [sum(gaps[: end + 1]) for end in range(len(gaps))]
    counted = windows(over=f"{count} in {span}s", cooldown=f"{cooldown}s" if cooldown else "off")
    assert fired(counted, times) == naive(times, count, span, cooldown)


@given(
    gaps=st.lists(st.integers(0, 30), max_size=40),
    cut=st.integers(0, 40),
    count=st.integers(1, 4),
)
def test_a_restart_in_between_changes_nothing(gaps: list[int], cut: int, count: int) -> None:
    times = [sum(gaps[: end + 1]) for end in range(len(gaps))]
    keys = {"over": f"{count} in 40s", "cooldown": "20s"}
    first, second = windows(**keys), windows(**keys)
    before = fired(first, times[:cut])
    second.restore(first.state())
    assert before + fired(second, times[cut:]) == fired(windows(**keys), times)


@given(times=st.lists(st.integers(-(10**6), 10**6), max_size=60), now=st.integers(0, 10**6))
def test_no_time_whatever_breaks_it_and_memory_stays_bounded(times: list[int], now: int) -> None:
    counted = windows(over="3 in 10s", resolve="5s")
    for at in times:
        counted.hit("web", at, now)
        counted.over(now)
        assert all(len(hits) <= 3 for hits, *_ in counted.state().values())
