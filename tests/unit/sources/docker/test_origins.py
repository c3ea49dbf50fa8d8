from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.record import Origin
from towline.sources.docker.origins import Container

ID = "d" * 64


def inspected(name: str = "/web", **more: Any) -> dict[str, Any]:
    labels, log, tty = more.get("labels", {}), more.get("log", {}), more.get("tty", False)
    return {
        "Id": ID,
        "Name": name,
        "Created": "2026-11-21T10:00:00.123456789Z",
        "State": {"Running": True, "Status": "running"},
        "Config": {"Image": "shop/web:3", "Labels": labels, "Tty": tty},
        "HostConfig": {"LogConfig": log},
    }


def origin(name: str, labels: dict[str, str] | None = None) -> Origin:
    container = Container.parse(inspected(name, labels=labels or {}))
    return container.origin(device="pi", engine="E", source="docker")


def test_a_plain_container_is_named_as_it_is() -> None:
    found = origin("/web")
    assert (found.name, found.service, found.container) == ("web", "web", "web")
    assert (found.container_id, found.engine, found.image) == (ID, "E", "shop/web:3")
    assert (found.project, found.app, found.service_id) == (None, None, None)


def test_a_compose_replica_belongs_to_its_service_and_project() -> None:
    labels = {"com.docker.compose.service": "api", "com.docker.compose.project": "shop"}
    found = origin("/shop-api-2", labels)
    assert (found.name, found.service, found.project) == ("shop-api-2", "api", "shop")


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("shop_api.2.x1y2z3", "shop_api.2"),
        ("shop_agent.node7.x1y2z3", "shop_agent.node7"),
        ("odd", "shop_api.2.x1y2z3"),
    ],
)
def test_a_swarm_task_keeps_its_name_over_its_successors(task: str, name: str) -> None:
    labels = {
        "com.docker.swarm.service.name": "shop_api",
        "com.docker.swarm.task.name": task,
        "com.docker.stack.namespace": "shop",
    }
    found = origin("/shop_api.2.x1y2z3", labels)
    assert (found.name, found.service, found.project) == (name, "shop_api", "shop")


@pytest.mark.parametrize("label", ["io.hass.type", "supervisor_managed"])
def test_a_home_assistant_app_is_its_slug_before_and_after_the_renaming(label: str) -> None:
    before = origin("/addon_core_mosquitto", {label: ""})
    after = origin("/app_core_mosquitto", {label: ""})
    assert before.key == after.key
    assert after.name == "core_mosquitto"


@pytest.mark.parametrize(
    ("name", "labels", "stays"),
    [
        ("/addon_mine", {}, "addon_mine"),
        ("/homeassistant", {"io.hass.type": "core"}, "homeassistant"),
        ("/app_", {"io.hass.type": "app"}, "app_"),
    ],
)
def test_what_only_looks_like_an_app_keeps_its_name(
    name: str, labels: dict[str, str], stays: str
) -> None:
    assert origin(name, labels).name == stays


def test_balena_and_towline_labels_say_app_and_service() -> None:
    balena = {"io.balena.app-id": "1001", "io.balena.service-id": "2"}
    found = origin("/api_1_2", {**balena, "io.balena.service-name": "api"})
    assert (found.app, found.service_id, found.service) == ("1001", 2, "api")
    own = {"towline.app": "a", "towline.service": "s", "towline.service-id": "7"}
    found = origin("/x", {**own, "towline.project": "p"})
    assert (found.app, found.service, found.service_id, found.project) == ("a", "s", 7, "p")


@pytest.mark.parametrize("number", ["", "-1", "1.5", "\u00b2", "\u0661", "x", "9" * 5000])
def test_a_service_id_that_is_no_number_is_none(number: str) -> None:
    assert origin("/x", {"towline.service-id": number}).service_id is None


@given(
    name=st.text(),
    labels=st.dictionaries(
        st.sampled_from(
            ["com.docker.swarm.task.name", "com.docker.compose.service", "io.hass.type"]
        ),
        st.text(),
    ),
)
def test_no_name_and_no_label_is_a_fault(name: str, labels: dict[str, str]) -> None:
    found = origin(name, labels)
    assert found.key.startswith("pi/container/")


def test_what_an_engine_leaves_out_is_no_fault() -> None:
    container = Container.parse({"Id": ID})
    assert (container.name, container.running, container.terminal) == (ID[:12], False, False)


@pytest.mark.parametrize(
    ("driver", "options", "rotated"),
    [
        ("json-file", {}, False),
        ("json-file", {"max-size": "1m"}, True),
        ("local", {}, True),
        ("journald", {}, False),
        ("none", {}, False),
        ("none", {"max-size": "1m"}, False),
        ("syslog", {}, True),
    ],
)
def test_only_logs_that_are_cut_at_the_far_end_count_as_rotated(
    driver: str, options: dict[str, str], rotated: bool
) -> None:
    log = {"Type": driver, "Config": options}
    assert Container.parse(inspected(log=log)).rotated is rotated
