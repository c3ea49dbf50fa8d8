from __future__ import annotations

from typing import Any

import pytest

from towline.config.homeassistant import HOMEASSISTANT, LANGUAGES
from towline.homeassistant.choice import Chosen
from towline.homeassistant.entities import STATES, Describer, orphans
from towline.homeassistant.facts import container_state, towline_state
from towline.homeassistant.names import Place
from towline.homeassistant.tally import Tally
from towline.homeassistant.words import Words
from towline.pipeline.encode import Decoder
from towline.store.labels import Labels

HOME = Place("homeassistant", "pi")
WEB = Place("homeassistant", "pi", "web")
ROW = {
    "id": "c" * 64, "name": "web", "origin": "web", "image": "web:1", "source": "docker",
    "state": "running", "running": True, "health": "healthy", "exitCode": None, "restarts": 0,
    "startedAt": "2026-01-01T00:00:00Z", "cpu": 1.0, "memory": 2,
}  # fmt: skip
SHARED = {"dev", "o", "cmps", "stat_t", "avty", "avty_t", "avty_mode"}
"""Members that a device message may have: one more, and Home Assistant ignores all of it."""


def describer(code: str = "en") -> Describer:
    return Describer(
        words=Words(code), version="1.2.3", status="towline/pi/status", host=HOME, host_name="Pi"
    )


def container(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    return describer().container(WEB, row, controls=more.pop("controls", False), **more)


def towline(code: str = "en") -> dict[str, Any]:
    return describer(code).towline({"commit": "abc"}, ["mqtt", "loki"], ["home"])


@pytest.mark.parametrize("code", LANGUAGES)
def test_messages_have_what_home_assistant_demands_and_nothing_else(code: str) -> None:
    full = describer(code).container(WEB, ROW, controls=True, alerts=["db_down"])
    for message in (full, towline(code)):
        assert message.keys() <= SHARED
        assert message["dev"]["ids"]
        assert message["o"]["name"] == "Towline"
        for key, one in message["cmps"].items():
            assert one["name"]
            assert key.startswith(one["p"])
        ids = [one["uniq_id"] for one in message["cmps"].values()]
        assert len(ids) == len(set(ids))
        assert not {"avty", "avty_t"} <= message.keys()


def test_every_value_that_an_entity_reads_is_in_the_state() -> None:
    state = container_state(ROW, loops=False) | Tally().as_state(0.0)
    read = {
        key.partition("_")[2] if one["p"] != "binary_sensor" else key.removeprefix("binary_sensor_")
        for key, one in container(ROW, controls=True)["cmps"].items()
        if "val_tpl" in one
    }
    assert read <= state.keys()
    status = {"configuration": {"state": "up"}, "brokers.home": {"state": "up"}}
    rows = [{"name": "mqtt", "lag": 1}, {"name": "loki", "lag": 2}]
    own = towline_state(status, rows, lost=0, log_level="info")
    for one in towline()["cmps"].values():
        if "val_tpl" in one:
            assert one["val_tpl"].split("'")[1] in own


def test_what_is_not_known_of_a_container_has_no_entity() -> None:
    spoken = container({"name": "web", "origin": "web", "source": "host"})
    assert {key.partition("_")[0] for key in spoken["cmps"]} == {"sensor", "event"}
    assert "sensor_state" not in spoken["cmps"]
    assert "sensor_last_error" in spoken["cmps"]
    assert "sensor_health" not in container(ROW | {"health": "none"})["cmps"]


def test_controls_are_there_only_when_asked_for() -> None:
    assert not [one for one in container(ROW)["cmps"].values() if one["p"] == "button"]
    buttons = [
        one for one in container(ROW, controls=True)["cmps"].values() if one["p"] == "button"
    ]
    assert [one["pl_prs"] for one in buttons] == ["start", "stop", "restart"]
    assert {one["cmd_t"] for one in buttons} == {WEB.command}


def test_diagnostic_and_noisy_entities_are_marked() -> None:
    found = container(ROW)["cmps"]
    assert found["sensor_exit_code"]["ent_cat"] == "diagnostic"
    for key in ("sensor_cpu", "sensor_memory", "sensor_lines_total"):
        assert found[key]["en"] is False
    assert found["sensor_state"]["ops"] == list(STATES)
    assert "unit_of_meas" not in found["sensor_state"]


def test_the_host_is_the_way_to_its_containers() -> None:
    assert container(ROW)["dev"]["via_device"] == towline()["dev"]["ids"][0]


def test_a_container_is_there_while_towline_and_its_source_are() -> None:
    message = container(ROW)
    assert message["avty"] == [{"t": "towline/pi/status"}, {"t": WEB.availability}]
    assert message["avty_mode"] == "all"


def test_alerts_are_events_of_a_container() -> None:
    found = container(ROW, alerts=["db_down", "error"])["cmps"]["event_log"]["evt_typ"]
    assert "db_down" in found
    assert found.count("error") == 1


def test_entities_that_went_are_said_to_be_gone() -> None:
    before, after = container(ROW, controls=True), container(ROW)
    assert orphans(before, after) == {
        f"button_{what}": {"p": "button"} for what in ("start", "stop", "restart")
    }
    assert orphans(after, before) == {}


def test_an_app_that_supervisor_tells_of_has_a_state_and_no_more() -> None:
    keys = ("exitCode", "restarts", "startedAt", "cpu", "memory", "health")
    row = {key: value for key, value in ROW.items() if key not in keys}
    row |= {"version": "1.2", "updateAvailable": True, "stateFrom": "supervisor"}
    found = container(row)
    assert found["dev"]["sw"] == "1.2"
    assert found["cmps"]["binary_sensor_update_available"]["dev_cla"] == "update"
    of_state = found["cmps"].keys() & _STATE_KEYS
    assert of_state == {"binary_sensor_running", "binary_sensor_problem", "sensor_state"}
    assert container_state(row, loops=False)["update_available"] == "ON"


_STATE_KEYS = {
    "binary_sensor_running", "binary_sensor_problem", "sensor_state", "sensor_exit_code",
    "sensor_restarts", "sensor_started_at", "sensor_cpu", "sensor_memory", "sensor_health",
}  # fmt: skip


def test_what_supervisor_tells_of_cannot_be_controlled_by_an_engine() -> None:
    config = HOMEASSISTANT({"controls": True})
    chosen = Chosen(config, Labels(None, Decoder()))
    assert chosen.may_control(ROW)
    assert not chosen.may_control(ROW | {"stateFrom": "supervisor"})
