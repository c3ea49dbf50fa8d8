import pytest

from towline.status import Health, Reports, State


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock)


def test_a_new_component_is_starting(health: Health) -> None:
    assert health.as_json() == {
        "state": "starting",
        "since": 100_000,
        "reason": None,
        "lastError": None,
        "counters": {},
    }


def test_the_last_error_stays_when_all_is_well_again(health: Health) -> None:
    health.degraded("broker away")
    assert (health.state, health.reason) == (State.DEGRADED, "broker away")
    health.up()
    assert (health.state, health.reason) == (State.UP, "")
    assert health.last_error == "broker away"
    health.stopped()
    assert health.state is State.STOPPED


def test_since_moves_only_with_the_state(health: Health, clock: Clock) -> None:
    health.up()
    clock.now = 200.0
    health.up()
    assert health.since == 100.0
    health.degraded("one")
    clock.now = 300.0
    health.degraded("two")
    assert (health.since, health.reason) == (200.0, "two")


def test_every_change_of_state_is_told_once(health: Health) -> None:
    told: list[str] = []
    health.on_change = lambda changed: told.append(f"{changed.state} {changed.reason}")
    health.up()
    health.up()
    health.degraded("one")
    health.degraded("two")
    health.up()
    assert told == ["up ", "degraded one", "up "]


def test_counters_count_from_nothing(health: Health) -> None:
    health.counters["sent"] += 2
    assert health.as_json()["counters"] == {"sent": 2}


def test_what_has_a_health_reports(health: Health) -> None:
    class Component:
        def __init__(self) -> None:
            self.health = health

    assert isinstance(Component(), Reports)
    assert not isinstance(object(), Reports)
