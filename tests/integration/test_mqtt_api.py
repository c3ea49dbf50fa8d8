"""Brokers through the API of a running Towline, on real brokers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from tests.integration.test_app import running
from tests.real.broker import Broker, free_port
from tests.real.until import auntil
from towline.app import Towline
from towline.status import State

pytestmark = pytest.mark.broker

FILE = """\
version: 1
device: {{id: pi}}
sources: {{}}
brokers:
  # the one in the hall
  home:
    servers: [{url}]  # in order
    username: towline
    password: !secret pw
  other: {{servers: [{url}], client_id: other, username: towline, password: word}}
"""


@pytest.fixture
def broker(tmp_path: Path) -> Any:
    with Broker(tmp_path / "broker", users={"towline": "word"}) as broker:
        yield broker


@pytest.fixture
def file(tmp_path: Path, broker: Broker) -> Path:
    file = tmp_path / "towline.yaml"
    file.write_text(FILE.format(url=broker.url))
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text("pw: word\n")
    secrets.chmod(0o600)
    return file


def client(towline: Towline) -> httpx.AsyncClient:
    settings = towline._settings.api
    base = f"http://{settings.host}:{settings.port}/api/v1/mqtt-config"
    return httpx.AsyncClient(base_url=base, timeout=30)


async def connected(towline: Towline, name: str = "home") -> None:
    await auntil(lambda: towline.status().get(f"brokers.{name}", {}).get("state") == State.UP)


async def test_a_change_is_written_with_every_comment_and_touches_no_other_broker(
    file: Path, tmp_path: Path, broker: Broker
) -> None:
    before = file.read_text()
    async with running(file, tmp_path / "data") as towline, client(towline) as api:
        await connected(towline)
        await connected(towline, "other")
        other = towline.parts()["brokers.other"]
        found = (await api.get("/home")).json()
        assert found["settings"]["password"] == "***"
        assert found["effective"]["keep_alive"] == 60.0
        answer = await api.put("/home", json=found["settings"] | {"keep_alive": "30s"})
        assert (answer.status_code, answer.json()["changed"]) == (200, ["brokers.home"])
        await connected(towline)
        assert towline.parts()["brokers.other"] is other
        assert (await api.get("/home")).json()["effective"]["keep_alive"] == 30.0
        wrong = await api.put("/home", json={"servers": ["gopher://x"]})
        assert wrong.json()["error"]["problems"][0]["path"] == ["brokers", "home", "servers", "0"]
    assert file.read_text() == before.replace(
        "    password: !secret pw\n", "    password: !secret pw\n    keep_alive: 30s\n"
    )


async def test_a_new_password_is_written_encrypted_where_there_is_a_key(
    file: Path, tmp_path: Path, broker: Broker
) -> None:
    key = {"TOWLINE_KEY": Fernet.generate_key().decode()}
    async with running(file, tmp_path / "data", **key) as towline, client(towline) as api:
        await connected(towline)
        settings = (await api.get("/home")).json()["settings"]
        answer = await api.put("/home", json=settings | {"password": "word"})
        assert (answer.status_code, answer.json()["warnings"]) == (200, [])
        await connected(towline)
    assert "password: !encrypted " in file.read_text()


async def test_a_broker_is_tested_before_it_is_saved_and_then_added(
    file: Path, tmp_path: Path, broker: Broker
) -> None:
    wanted = {"servers": [broker.url], "client_id": "new", "username": "towline"}
    async with running(file, tmp_path / "data") as towline, client(towline) as api:
        await connected(towline)
        saved = (await api.post("/home/test")).json()
        assert (saved["status"], saved["error"]) == ("ok", None)
        wrong = (await api.post("/new/test", json=wanted | {"password": "x"})).json()
        assert (wrong["status"], wrong["connected"]) == ("failed", False)
        assert wrong["steps"][-1]["step"] == "connect"
        answer = await api.put("/new", json=wanted | {"password": "word"})
        assert answer.json()["warnings"] == [
            "password is in the file in plain text: there is no key for encrypted values"
        ]
        await connected(towline, "new")
        refused = await api.post("/none/test")
        assert refused.status_code == 404


async def test_a_saved_password_goes_to_the_saved_servers_only(
    file: Path, tmp_path: Path, broker: Broker
) -> None:
    async with running(file, tmp_path / "data") as towline, client(towline) as api:
        settings = (await api.get("/home")).json()["settings"]
        assert (await api.post("/home/test", json=settings)).json()["status"] == "ok"
        moved = settings | {"servers": [f"mqtt://127.0.0.1:{free_port()}"]}
        refused = await api.post("/home/test", json=moved)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "masked_value")


async def test_the_status_tells_of_the_connection_and_it_can_be_made_anew(
    file: Path, tmp_path: Path, broker: Broker
) -> None:
    async with running(file, tmp_path / "data") as towline, client(towline) as api:
        await connected(towline)
        found = (await api.get("/home/status")).json()
        assert (found["connected"], found["server"]) == (True, broker.url)
        assert (found["clientId"], found["version"]) == ("towline-pi", "5")
        assert (await api.post("/home/reconnect")).status_code == 202
        connection = towline.parts()["brokers.home"]
        await auntil(lambda: connection.facts()["connections"] == 2)  # type: ignore[attr-defined]


async def test_keys_that_come_from_another_file_are_edited_there(
    tmp_path: Path, broker: Broker
) -> None:
    (tmp_path / "brokers.yaml").write_text(f"home: {{servers: [{broker.url}]}}\n")
    file = tmp_path / "towline.yaml"
    file.write_text("version: 1\nsources: {}\nbrokers: !include brokers.yaml\n")
    async with running(file, tmp_path / "data") as towline, client(towline) as api:
        found = (await api.get("/home")).json()
        assert found["settings"] is None
        assert "another file" in found["fixed"]
        answer = await api.put("/home", json={"servers": [broker.url]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "included")


def test_the_command_says_of_each_step_how_it_went(file: Path, broker: Broker) -> None:
    def towline(*words: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(sys.path)
        environment = {**os.environ, "PYTHONPATH": path}
        command = [sys.executable, "-m", "towline", "mqtt", "test", *words, "--config", str(file)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)

    found = towline()
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.endswith("other: well\n")
    report = json.loads(towline("home", "--json").stdout)
    assert [step["ok"] for step in report["home"]["steps"]] == [True] * 5
    (file.parent / "secrets.yaml").write_text("pw: wrong\n")
    wrong = towline("home")
    assert (wrong.returncode, "FAIL" in wrong.stdout) == (1, True)
    assert "home" in towline("none").stderr


async def test_the_broker_is_told_how_this_towline_is(
    file: Path, tmp_path: Path, broker: Broker
) -> None:
    file.write_text(f"{file.read_text()}state: {{publish: 100ms}}\n")
    async with running(file, tmp_path / "data") as towline:
        await connected(towline)
        with broker.listen("towline/pi/#") as heard:
            topics = {f"towline/pi/{rest}" for rest in ("status", "state", "health")}
            topics.add("towline/pi/config/state")
            await auntil(lambda: topics <= {m.topic for m in heard.messages})
            file.write_text(file.read_text().replace("version: 1", "version: 2"))

            def told() -> list[Any]:
                found = [m.json() for m in heard.messages if m.topic.endswith("config/state")]
                return [each["state"] for each in found]

            await auntil(lambda: told()[-1] == "degraded")
