from __future__ import annotations

import pytest

from towline.homeassistant.facts import (
    LOOP_SECONDS,
    RESTLESS_EVERY,
    STATES_EVERY,
    Losses,
    Restarts,
    container_state,
    is_news,
    lost_in,
    problem,
)

DAY = 86_400.0


def test_a_container_without_an_engine_has_no_state() -> None:
    assert container_state({"origin": "web", "name": "web"}, loops=False) == {}


def test_problems_are_sickness_and_loops() -> None:
    def of(loops: bool = False, **row: object) -> object:
        given = {"state": "running", "running": True} | row
        return container_state(given, loops=loops)["problem"]

    assert of() == "OFF"
    assert of(health="unhealthy") == "ON"
    assert of(state="restarting") == "ON"
    assert of(loops=True) == "ON"
    assert of(state="exited", running=False) == "OFF"


def test_docker_s_zero_time_is_no_time() -> None:
    row = {"state": "created", "startedAt": "0001-01-01T00:00:00Z"}
    assert container_state(row, loops=False)["started_at"] is None


def test_a_container_that_comes_up_again_and_again_loops() -> None:
    restarts = Restarts()

    def look(started: str, now: float) -> bool:
        return restarts.loops({"origin": "web", "startedAt": started}, now)

    assert not look("1", 0.0)
    assert [look(started, float(at)) for at, started in enumerate("2233")] == [False] * 4
    assert look("4", 10.0)
    assert look("4", LOOP_SECONDS)
    assert not look("4", 2 * LOOP_SECONDS)


@pytest.mark.parametrize(
    ("change", "waited", "expected"),
    [
        ({}, 1000.0, False),
        ({"state": "exited"}, 0.0, True),
        ({"lines_per_minute": 5}, STATES_EVERY - 1, False),
        ({"lines_per_minute": 5}, STATES_EVERY, True),
        ({"cpu": 9.9}, RESTLESS_EVERY - 1, False),
        ({"cpu": 9.9, "memory": 1}, RESTLESS_EVERY, True),
        ({"cpu": 9.9, "lines_per_minute": 5}, STATES_EVERY, True),
    ],
)
def test_a_state_is_sent_at_once_where_it_matters_and_seldom_else(
    change: dict[str, object], waited: float, expected: bool
) -> None:
    before = {"state": "running", "lines_per_minute": 1, "cpu": 1.0, "memory": 2}
    assert is_news(before, before | change, ("state", "cpu"), waited) is expected


def test_losses_are_those_of_a_day() -> None:
    losses = Losses()
    assert losses.of(5, 0.0) == 0
    assert losses.of(8, 100.0) == 3
    assert losses.of(8, DAY) == 3
    assert losses.of(9, DAY + 50.0) == 4
    assert losses.of(9, DAY + 150.0) == 1
    assert losses.of(2, DAY + 200.0) == 3, "a counter begun anew"


def test_counters_of_losses_are_summed_over_components() -> None:
    status = {"a": {"counters": {"gaps": 2, "lines": 9}}, "b": {"counters": {"missed": 1}}, "c": {}}
    assert lost_in(status) == 3


def test_a_problem_names_the_components_that_are_not_well() -> None:
    status: dict[str, dict[str, object]] = {
        "configuration": {"state": "degraded", "reason": "line 3: unknown key"},
        "brokers.home": {"state": "up", "reason": None},
    }
    found = problem(status)
    assert found["text"] == "line 3: unknown key"
    assert list(found["components"]) == ["configuration"]
