"""Messages of a broker: looked at, watched, played again; through the API of a running Towline."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.alert_rig import running
from tests.real.broker import Broker
from tests.real.until import auntil
from towline.app import Towline
from towline.broker.connection import Connection

pytestmark = pytest.mark.broker

FILE = """\
version: 1
device: {{id: pi}}
sources: {{}}
brokers: {{home: {{servers: ["{url}"]}}}}
subscriptions: {{own: {{broker: home, topic: own/+}}}}
"""


def client(towline: Towline) -> httpx.AsyncClient:
    settings = towline._settings.api
    base = f"http://{settings.host}:{settings.port}/api/v1/mqtt-config/home"
    return httpx.AsyncClient(base_url=base, timeout=30)


async def listens(towline: Towline, topic: str) -> None:
    def granted() -> bool:
        found = towline.parts().get("brokers.home")
        told = found.facts()["subscriptions"] if isinstance(found, Connection) else []
        return any(each["topic"] == topic and each["granted"] is not None for each in told)

    await auntil(granted)


async def test_messages_of_subscriptions_and_of_watches_are_told_and_no_others(
    tmp_path: Path,
) -> None:
    file = tmp_path / "towline.yaml"
    with Broker(tmp_path / "broker") as broker:
        file.write_text(FILE.format(url=broker.url))
        async with running(file, tmp_path / "data") as towline, client(towline) as api:

            async def found(**query: Any) -> list[str]:
                answer = (await api.get("/messages", params=query)).json()
                return [message["topic"] for message in answer["messages"]]

            await listens(towline, "own/+")
            await asyncio.to_thread(broker.publish, "other/a", "not heard")
            await asyncio.to_thread(broker.publish, "own/a", "heard")
            await auntil(found)
            assert await found() == ["own/a"]
            answer = await api.post("/messages/watch", json={"topic": "#", "for": "1m"})
            assert answer.status_code == 202
            await listens(towline, "#")
            await asyncio.to_thread(broker.publish, "other/a", "now heard")
            await asyncio.to_thread(broker.publish, "own/a", "once more")

            async def both() -> bool:
                topics = await found()
                return topics.count("own/a") == 2 and "other/a" in topics

            await auntil(both)
            assert await found(topic="other/#", text="NOW") == ["other/a"]
            await api.delete("/messages/watch")
            told = towline.parts()["brokers.home"]
            assert isinstance(told, Connection)
            topics = [each["topic"] for each in told.facts()["subscriptions"]]
            assert [topic for topic in topics if not topic.startswith("$SYS")] == ["own/+"]
            wrong = await api.post("/messages/watch", json={"topic": "a/#/b"})
            assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "bad_parameter")
            for _ in range(5):
                await api.post("/messages/watch", json={"topic": "x", "for": "5s"})
            many = await api.post("/messages/watch", json={"topic": "x"})
            assert many.status_code == 429

            async def over() -> bool:
                return not (await api.get("/messages")).json()["watching"]

            await auntil(over, 30)


async def test_records_and_messages_are_played_again(tmp_path: Path) -> None:
    file = tmp_path / "towline.yaml"
    with Broker(tmp_path / "broker") as broker, broker.listen("replay/#") as listener:
        file.write_text(FILE.format(url=broker.url))
        async with running(file, tmp_path / "data") as towline, client(towline) as api:
            await listens(towline, "own/+")

            async def ended() -> dict[str, Any]:
                async def over() -> bool:
                    return bool((await api.get("/replay")).json()["state"] != "playing")

                await auntil(over)
                found: dict[str, Any] = (await api.get("/replay")).json()
                return found

            assert (await api.get("/replay")).status_code == 404
            for number in range(30):
                towline.note(f"note {number}")
            wanted = {"text": "note", "speed": 0, "rate": 1000}
            answer = await api.post("/replay", json=wanted)
            assert answer.status_code == 202
            assert await ended() == {"state": "done", "error": None, "sent": 30, "refused": 0}
            await auntil(lambda: len(listener.messages) == 30)
            records = [json.loads(message.payload) for message in listener.messages]
            assert [record["message"] for record in records] == [f"note {n}" for n in range(30)]
            topic = "replay/towline/pi/logs/manager/info"
            assert {message.topic for message in listener.messages} == {topic}
            await asyncio.to_thread(broker.publish, "own/a", "again")

            async def recorded() -> bool:
                return bool((await api.get("/messages")).json()["count"])

            await auntil(recorded)
            await api.post("/replay", json={"of": "messages", "speed": 0})
            assert (await ended())["sent"] == 1
            await auntil(lambda: listener.messages[-1].topic == "replay/own/a")
            await api.post("/replay", json={"text": "note", "speed": 0, "rate": 1})
            again = await api.post("/replay", json={})
            assert (again.status_code, again.json()["error"]["code"]) == (409, "replay_running")
            assert (await api.delete("/replay")).json()["state"] == "stopped"
            rows, _ = await towline.audit.page(100)
            played = [json.loads(row) for row in rows if b'"action":"replay"' in row]
            assert played[-1]["diff"] == wanted
            await api.post("/replay", json={"text": "note", "rate": 1})  # it ends with Towline
