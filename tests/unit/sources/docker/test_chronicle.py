from __future__ import annotations

import json
from typing import Any

from tests.unit.sources.docker.test_origins import ID, inspected
from towline.record import Line, Origin, OriginType
from towline.sources.docker.chronicle import REMEMBERED, Chronicle, Event, in_list
from towline.sources.docker.origins import Container

BEGUN = "2026-11-21T10:00:00.000000000Z"


class Desk:
    """A chronicle, what it told, and the container as an inspection would show it."""

    def __init__(self) -> None:
        self.told: list[tuple[Origin, Line]] = []
        self.chronicle = Chronicle(lambda origin, line: self.told.append((origin, line)))
        self.now = 1_000_000_000

    def event(self, action: str, **attributes: str) -> Event:
        self.now += 1_000_000_000
        actor = {"ID": ID, "Attributes": {"name": "web", **attributes}}
        return {"Action": action, "Actor": actor, "timeNano": self.now}

    def hear(self, action: str, *, chosen: bool = True, **state: Any) -> None:
        event = self.event(action, exitCode=str(state.get("ExitCode", 0)))
        assert self.chronicle.is_new(event)
        self.chronicle.heed(event)
        if state:
            self.look(chosen=chosen, **state)
        self.chronicle.tell(event)

    def look(self, *, chosen: bool = True, **state: Any) -> None:
        found = inspected()
        state = {"Status": "running", "Running": True, "StartedAt": BEGUN, **state}
        state["Running"] = state["Status"] == "running"
        container = Container.parse({**found, "State": state})
        origin = container.origin(device="pi", engine="E", source="docker")
        self.chronicle.about(container, origin if chosen else None)

    def words(self) -> list[str]:
        return [json.loads(line.fields)["event"] for _, line in self.told]

    def late(self) -> list[str]:
        return [event for event, (_, line) in zip(self.words(), self.told, strict=True)
                if json.loads(line.fields).get("late")]  # fmt: skip


def test_an_event_is_a_record_of_its_container() -> None:
    desk = Desk()
    desk.look()
    desk.hear("die", Status="exited", ExitCode=1, FinishedAt=BEGUN)
    ((origin, line),) = desk.told
    assert (origin.type, origin.name, origin.service) == (OriginType.SYSTEM, "web", "web")
    assert (origin.container_id, origin.source, line.seq) == (ID, "docker", 0)
    assert json.loads(line.fields) == {"event": "die", "exitCode": 1}


def test_an_event_that_comes_again_is_not_told_again() -> None:
    desk = Desk()
    event = desk.event("start")
    assert desk.chronicle.is_new(event)
    assert not desk.chronicle.is_new(event)
    assert desk.chronicle.since == event["timeNano"] - 1_000_000_000
    for _ in range(REMEMBERED):
        assert desk.chronicle.is_new(desk.event("kill"))
    assert len(desk.chronicle._heard) == REMEMBERED


def test_memory_that_ran_out_is_told_of_the_end_and_forgotten_at_the_next_start() -> None:
    desk = Desk()
    desk.look()
    desk.hear("oom")
    desk.hear("die", ExitCode=137)  # already running again when it was looked at
    desk.hear("start", StartedAt="2026-11-21T10:00:01Z")
    desk.hear("die", Status="exited", ExitCode=137, FinishedAt=BEGUN)
    ends = [json.loads(line.fields) for _, line in desk.told if "exitCode" in line.fields]
    assert [end.get("oom", False) for end in ends] == [True, False]


def test_of_an_excluded_container_nothing_is_told() -> None:
    desk = Desk()
    desk.hear("create", chosen=False, Status="created")
    desk.hear("start", chosen=False, Status="running")
    desk.chronicle.compare({})
    desk.chronicle.compare({})
    assert desk.told == []


def test_a_container_that_was_gone_before_it_was_met_is_told_all_the_same() -> None:
    desk = Desk()
    attributes = {"name": "job", "image": "busybox", "com.docker.compose.service": "jobs"}
    origin = Container.told(ID, attributes).origin(device="pi", engine="E", source="docker")
    event = desk.event("start")
    desk.chronicle.heed(event)
    desk.chronicle.tell(event, origin)
    assert [(found.service, found.image) for found, _ in desk.told] == [("jobs", "busybox")]


def test_what_is_as_it_was_told_is_not_told_late() -> None:
    desk = Desk()
    desk.hear("create", Status="created")
    desk.hear("start", StartedAt=BEGUN)
    for _ in range(4):
        desk.chronicle.compare({ID: ("running", "starting")})
    desk.hear("health_status: healthy", Health={"Status": "healthy"})
    for _ in range(4):
        desk.chronicle.compare({ID: ("running", "healthy")})
    desk.hear("die", Status="exited", ExitCode=0, FinishedAt=BEGUN)
    for _ in range(4):
        desk.chronicle.compare({ID: ("exited", "")})
    assert desk.late() == []


def test_what_two_lists_show_and_no_event_told_is_told_late_and_once() -> None:
    desk = Desk()
    desk.look()
    for status, word in (("exited", "die"), ("running", "start"), ("paused", "pause"),
                         ("running", "unpause"), ("exited", "die")):  # fmt: skip
        desk.told.clear()
        desk.look(Status=status, ExitCode=7, FinishedAt=BEGUN)
        desk.chronicle.compare({ID: (status, "")})
        assert desk.late() == []
        for _ in range(3):
            desk.chronicle.compare({ID: (status, "")})
        assert desk.late() == [word]
    assert json.loads(desk.told[0][1].fields)["exitCode"] == 7


def test_an_event_between_two_lists_ends_the_doubt() -> None:
    desk = Desk()
    desk.look()
    desk.look(Status="exited", ExitCode=0, FinishedAt=BEGUN)
    desk.chronicle.compare({ID: ("exited", "")})
    desk.hear("die")
    desk.chronicle.compare({ID: ("exited", "")})
    assert desk.words() == ["die"]
    assert desk.late() == []


def test_health_a_restart_and_a_removal_without_an_event_are_told_late() -> None:
    desk = Desk()
    desk.look()
    for _ in range(2):
        desk.chronicle.compare({ID: ("running", "unhealthy")})
    desk.look(StartedAt="2026-11-21T11:00:00Z")
    for _ in range(2):
        desk.chronicle.compare({ID: ("running", "unhealthy")})
    for _ in range(3):
        desk.chronicle.compare({})
    assert desk.late() == ["unhealthy", "start", "destroy"]


def test_a_container_that_only_the_list_showed_is_told_late() -> None:
    desk = Desk()
    desk.chronicle.expect(ID)
    desk.look()
    for _ in range(3):
        desk.chronicle.compare({ID: ("running", "")})
    assert desk.late() == ["start"]


def test_a_row_of_the_list_tells_status_and_health() -> None:
    row = {"State": "running", "Status": "Up 5 minutes (unhealthy)"}
    assert in_list(row) == ("running", "unhealthy")
    assert in_list({"State": "exited", "Status": "Exited (0) 5 minutes ago"}) == ("exited", "")


def test_two_lists_that_show_different_things_tell_nothing_yet() -> None:
    desk = Desk()
    desk.look()
    desk.chronicle.compare({ID: ("exited", "")})
    desk.chronicle.compare({ID: ("paused", "")})
    assert desk.told == []
    desk.chronicle.compare({ID: ("paused", "")})
    assert desk.late() == ["pause"]
