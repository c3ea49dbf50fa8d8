from __future__ import annotations

import pytest

from towline.sources.swarm.tasks import HELD, Seen, Service, Task, attributed

TIME = b"2026-11-21T17:11:40.030639663Z"
DETAILS = b"com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s1,com.docker.swarm.task.id=t1"
HEAD = b"\x01\x00\x00\x00\x00\x00\x00\x2a"


def row(text: bytes, time: bytes = TIME) -> bytes:
    return HEAD + time + b" " + text


@pytest.mark.parametrize(
    ("written", "task", "text"),
    [
        (DETAILS + b" out 3\n", "t1", b"out 3\n"),
        (DETAILS + b" \n", "t1", b"\n"),
        (DETAILS + b"\n", "t1", b"\n"),
        (b"a=b%20c," + DETAILS + b" x=y z\n", "t1", b"x=y z\n"),
        (b"no details\n", "", b"no details\n"),
    ],
)
def test_a_row_tells_the_task_that_wrote_it(written: bytes, task: str, text: bytes) -> None:
    assert attributed(row(written)) == (task, row(text))


def test_rows_that_come_again_are_passed_over_once_each() -> None:
    seen = Seen()
    rows = [row(b"a\n"), row(b"a\n"), row(b"b\n")]
    assert seen.new(rows) == rows  # equal ones are two as long as nothing was opened again
    seen.reopened()
    assert seen.new([*rows, row(b"a\n"), row(b"c\n")]) == [row(b"a\n"), row(b"c\n")]


def test_it_is_not_asked_for_what_is_no_longer_held() -> None:
    seen = Seen()
    early, late = b"2026-11-21T17:11:40.000000000Z", b"2026-11-21T17:12:00.000000000Z"
    seen.new([row(b"early\n", early)])
    assert seen.since(b"2026-11-21T17:11:50.000000000Z") == "2026-11-21T17:11:50.000000000Z"
    seen.new([row(b"%d\n" % number, late) for number in range(HELD)])
    assert seen.since(early) == late.decode()
    assert seen.newest() == late.decode()


def test_a_task_is_named_as_its_container_is() -> None:
    service = Service.parse(
        {
            "ID": "s1",
            "Spec": {
                "Name": "shop_web",
                "Labels": {"com.docker.stack.namespace": "shop"},
                "TaskTemplate": {"ContainerSpec": {"TTY": True}},
            },
        }
    )
    found = {
        "ID": "t1",
        "ServiceID": "s1",
        "NodeID": "n1",
        "Slot": 2,
        "Spec": {"ContainerSpec": {"Image": "web:3@sha256:0"}},
        "Status": {"State": "running", "ContainerStatus": {"ContainerID": "c" * 64}},
    }
    origin = Task.parse(found).origin(service, device="pi", swarm="w", source="fleet")
    assert (origin.name, origin.container) == ("shop_web.2", "shop_web.2.t1")
    assert (origin.service, origin.project, origin.image) == ("shop_web", "shop", "web:3")
    assert service.terminal
    everywhere = Task.parse(found | {"Slot": None})
    assert everywhere.origin(service, device="pi", swarm="w", source="f").name == "shop_web.n1"


def test_a_manager_that_says_little_breaks_nothing() -> None:
    assert Service.parse({"ID": "s1"}).name == "s1"
    assert Task.parse({"ID": "t1"}).container == ""
