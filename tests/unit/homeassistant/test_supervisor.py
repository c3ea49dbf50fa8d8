from __future__ import annotations

import json
from typing import Any

import pytest

from towline.config.settings import Secret
from towline.homeassistant.supervisor import App, Ourselves, Supervisor

MQTT = {"host": "core-mosquitto", "port": 1883, "ssl": False, "username": "addons", "password": "p"}


def telling(status: int, answer: Any) -> Supervisor:
    def ask(path: str, token: str) -> tuple[int, bytes]:
        assert token == "token"
        return status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    return Supervisor(Secret("token"), ask)


def well(data: Any) -> Supervisor:
    return telling(200, {"result": "ok", "data": data})


@pytest.mark.parametrize(
    ("more", "server"),
    [
        ({}, "mqtt://core-mosquitto:1883"),
        ({"port": "1884"}, "mqtt://core-mosquitto:1884"),
        ({"ssl": True, "port": 8883}, "mqtts://core-mosquitto:8883"),
    ],
)
async def test_the_broker_of_an_app_with_its_account(more: dict[str, Any], server: str) -> None:
    found = await well(MQTT | more).account()
    assert found.servers == (server,)
    assert (found.username, found.password.reveal()) == ("addons", "p")
    assert "'p'" not in repr(found)


@pytest.mark.parametrize(
    ("status", "told"),
    [(400, "no MQTT broker app"), (403, "services: mqtt"), (401, "with 401"), (502, "with 502")],
)
async def test_why_there_is_no_broker_is_said_in_words(status: int, told: str) -> None:
    with pytest.raises(OSError, match=told):
        await telling(status, {"result": "error", "message": "x"}).account()


ODD_BROKERS = [{}, {"host": ""}, MQTT | {"port": 0}, MQTT | {"port": "x"}, MQTT | {"port": [1]}]


@pytest.mark.parametrize("data", [*ODD_BROKERS, MQTT | {"host": "a b"}, MQTT | {"host": ["h"]}])
async def test_a_broker_that_cannot_be_is_an_odd_answer(data: Any) -> None:
    with pytest.raises(OSError, match="not understood"):
        await well(data).account()


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"7", b'{"result": "ok"}'])
async def test_an_answer_that_is_none_is_said_in_words(answer: bytes) -> None:
    for question in ("account", "ourselves", "apps"):
        with pytest.raises(OSError, match="not understood"):
            await getattr(telling(200, answer), question)()


async def test_apps_with_their_states() -> None:
    rows = [
        {"slug": "core_mosquitto", "name": "Mosquitto", "state": "started", "version": "6.5"},
        {"slug": "local_x", "state": "stopped", "version": None, "update_available": True},
        {"name": "without a slug"},
        "no row",
    ]
    assert await well({"addons": rows}).apps() == (
        App("core_mosquitto", "Mosquitto", "started", "6.5", False),
        App("local_x", "local_x", "stopped", "", True),
    )


async def test_apps_that_are_no_list_are_an_odd_answer() -> None:
    with pytest.raises(OSError, match="not understood"):
        await well({"addons": {}}).apps()


async def test_protection_mode_is_known() -> None:
    found = await well({"slug": "x", "protected": True, "docker_api": True}).ourselves()
    assert found == Ourselves("x", docker=True, protected=True)
