from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from towline.homeassistant.devices import FORGET, GONE, Devices
from towline.homeassistant.memory import Memory
from towline.homeassistant.names import Place

WEB = Place("homeassistant", "pi", "web")
MESSAGE: dict[str, Any] = {"dev": {"ids": ["x"]}, "cmps": {"sensor_state": {"p": "sensor"}}}
MORE = {"dev": {"ids": ["x"]}, "cmps": {**MESSAGE["cmps"], "button_stop": {"p": "button"}}}


class Held:
    """Retained topics, and how often each was written."""

    def __init__(self) -> None:
        self.topics: dict[str, bytes] = {}
        self.count = 0

    def __call__(self, topic: str, payload: bytes) -> None:
        self.topics[topic] = payload
        self.count += 1


@pytest.fixture
def held() -> Held:
    return Held()


def devices(held: Held, file: Path | None = None) -> Devices:
    memory = Memory(file)
    memory.load()
    return Devices(memory, held)


def want(found: Devices, message: object = MESSAGE, now: float = 0.0) -> bool:
    return found.want(WEB, message, name="web", source="docker", now=now)  # type: ignore[arg-type]


def test_what_is_as_it_was_is_not_said_again(held: Held) -> None:
    found = devices(held)
    assert want(found)
    assert want(found)
    assert held.count == 1
    assert json.loads(held.topics[WEB.discovery]) == MESSAGE


def test_an_entity_that_went_is_taken_back_also_after_a_restart(held: Held, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.json")
    want(Devices(memory, held), MORE)
    memory.save()
    want(devices(held, tmp_path / "memory.json"))
    assert json.loads(held.topics[WEB.discovery])["cmps"]["button_stop"] == {"p": "button"}


def test_a_container_that_is_made_anew_at_once_keeps_its_device(held: Held) -> None:
    found = devices(held)
    want(found)
    assert not found.miss(WEB.discovery, "docker", 100.0)
    assert not found.miss(WEB.discovery, "docker", 100.0 + GONE - 1)
    want(found, now=100.0 + GONE - 1)
    assert not found.miss(WEB.discovery, "docker", 100.0 + GONE + 1)
    assert held.count == 1


def test_a_container_that_is_gone_for_good_leaves_nothing(held: Held) -> None:
    found = devices(held)
    want(found)
    found.miss(WEB.discovery, "docker", 100.0)
    assert found.miss(WEB.discovery, "docker", 100.0 + GONE)
    assert held.topics[WEB.discovery] == b""


def test_nothing_is_taken_back_while_nothing_is_known(held: Held) -> None:
    found = devices(held)
    want(found)
    for now in (100.0, 100.0 + 10 * GONE):
        assert not found.miss(WEB.discovery, "", now)
    assert not found.miss(WEB.discovery, "docker", 100.0 + 11 * GONE), "it has only just come back"


def test_who_is_known_by_speaking_alone_is_forgotten_late(held: Held) -> None:
    found = devices(held)
    want(found)
    assert not found.miss(WEB.discovery, "journald", 10 * GONE)
    assert found.miss(WEB.discovery, "journald", FORGET + 1)


def test_what_a_user_deleted_stays_deleted_until_asked_for(held: Held, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.json")
    found = Devices(memory, held)
    want(found)
    assert found.heard(WEB.discovery, b"") == "web"
    assert found.heard(WEB.discovery, b"") == "", "Home Assistant says it once per entity"
    assert not want(found)
    memory.save()
    again = devices(held, tmp_path / "memory.json")
    assert not want(again)
    assert held.count == 1, "it is gone there already"
    assert again.show_again() == 1
    assert want(again)
    assert held.topics[WEB.discovery]


def test_our_own_words_are_no_deletion(held: Held) -> None:
    found = devices(held)
    want(found)
    assert found.heard(WEB.discovery, held.topics[WEB.discovery]) == ""
    found.take_back(WEB.discovery)
    assert found.heard(WEB.discovery, b"") == ""


def test_a_damaged_memory_is_begun_anew(held: Held, tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    for text in ("{", "[]", '{"topic": {"colour": 1}}', '{"topic": 1}'):
        file.write_text(text)
        assert want(devices(held, file))
