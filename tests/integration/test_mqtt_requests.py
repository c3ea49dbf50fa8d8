"""Requests over MQTT to a running Towline, on a real broker."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.backends import broker_settings, connected
from tests.integration.alert_rig import running
from tests.real.broker import Broker
from tests.real.until import auntil
from towline.app import Towline
from towline.broker.connection import Connection
from towline.broker.incoming import Incoming
from towline.config.settings import Secret
from towline.subscriptions.requests import RequestsPart
from towline.subscriptions.signing import signature

pytestmark = pytest.mark.broker

SECRET = "a secret that was made by chance"
FILE = """\
version: 1
device: {{id: pi}}
sources: {{}}
brokers: {{home: {{servers: ["{url}"]}}}}
requests: {{enabled: true, rate: 6000{more}}}
"""


class Asker:
    """Somebody at the broker who asks and hears the answers."""

    def __init__(self, towline: Towline, connection: Connection) -> None:
        self.towline = towline
        self.connection = connection
        self.answers: dict[str, dict[str, Any]] = {}
        self._number = 0

    def hear(self, message: Incoming) -> None:
        found = json.loads(message.payload)
        self.answers[found["transaction"]] = found | {"what": message.topic.rpartition("/")[2]}

    async def send(self, what: str, payload: bytes, *, retain: bool = False) -> None:
        await self.connection.publish(f"towline/pi/request/{what}", payload, retain=retain)

    async def ask(self, what: str, **body: Any) -> dict[str, Any]:
        self._number += 1
        transaction = f"t{self._number}"
        about = {"transaction": transaction, "body": body}
        await self.send(what, json.dumps(about).encode())
        await auntil(lambda: transaction in self.answers)
        assert self.answers[transaction].pop("what") == what
        return self.answers[transaction]

    @property
    def part(self) -> RequestsPart:
        found = self.towline.parts()["requests"]
        assert isinstance(found, RequestsPart)
        return found


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    own = logging.getLogger("towline")
    before = own.level
    yield
    own.setLevel(before)


@asynccontextmanager
async def asking(folder: Path, more: str = "") -> AsyncIterator[Asker]:
    file = folder / "towline.yaml"
    with Broker(folder / "broker") as broker:
        file.write_text(FILE.format(url=broker.url, more=more))
        async with (
            running(file, folder / "data") as towline,
            connected(broker_settings(broker.url), "asker") as own,
        ):
            asker = Asker(towline, own)
            heard = own.subscribe("towline/pi/response/+", asker.hear)
            await auntil(lambda: heard.granted is not None)
            connection = towline.parts()["brokers.home"]
            assert isinstance(connection, Connection)

            def listens() -> bool:
                told = connection.facts()["subscriptions"]
                return any("request" in each["topic"] and each["granted"] for each in told)

            await auntil(listens)
            yield asker


async def test_each_request_is_answered_with_its_transaction(tmp_path: Path) -> None:
    async with asking(tmp_path) as asker:
        found = await asker.ask("status")
        assert found["result"]["components"]["requests"]["state"] == "up"
        found = await asker.ask("check", text="version: 2")
        assert found["result"]["problems"][0]["line"] == 1
        assert (await asker.ask("reload"))["result"]["outcome"] == "applied"
        assert (await asker.ask("level", to="warning"))["ok"]
        assert logging.getLogger("towline").level == logging.WARNING
        found = await asker.ask("query", limit=1)
        assert "log level warning, by requests" in found["result"]["logs"][0]["message"]
        older = await asker.ask("query", before=found["result"]["next"], match={"name": "towline"})
        ids = [row["id"] for row in older["result"]["logs"]]
        assert ids
        assert found["result"]["logs"][0]["id"] not in ids
        rows, _ = await asker.towline.audit.page(100)
        asked = [json.loads(row) for row in rows if b'"request"' in row]
        assert {row["target"] for row in asked} == {"status", "query", "check", "reload", "level"}


async def test_what_cannot_be_done_is_answered_with_a_code(tmp_path: Path) -> None:
    async with asking(tmp_path) as asker:
        for what, body, code in (
            ("level", {"to": "loud"}, "bad_parameter"),
            ("query", {"match": {"regex": "("}}, "bad_parameter"),
            ("query", {"limit": 501}, "bad_parameter"),
            ("query", {"before": "x"}, "bad_parameter"),
            ("replay", {"backend": "none", "since": "1h"}, "failed"),
        ):
            found = await asker.ask(what, **body)
            assert (found["ok"], found["error"]["code"]) == (False, code), what
        (tmp_path / "towline.yaml").write_text("version: 1\nnonsense: 1\n")
        assert (await asker.ask("reload"))["error"]["code"] == "config_invalid"


async def test_a_retained_request_is_cleared_and_never_executed(tmp_path: Path) -> None:
    payload = b'{"transaction":"old","body":{"to":"error"}}'
    async with asking(tmp_path) as asker:
        part = asker.part
        await asker.send("level", payload, retain=True)  # live: it counts
        await auntil(lambda: "old" in asker.answers)
        assert logging.getLogger("towline").level == logging.ERROR
        logging.getLogger("towline").setLevel(logging.WARNING)
        file = tmp_path / "towline.yaml"
        file.write_text(file.read_text().replace("rate: 6000", "rate: 5999"))
        await asker.towline.reload()
        await auntil(lambda: asker.part is not part)
        await auntil(lambda: asker.part.health.counters["retained"])
        assert (await asker.ask("status"))["ok"]
        assert logging.getLogger("towline").level == logging.WARNING
        late: list[Incoming] = []
        await auntil(lambda: _cleared(asker.connection, late))


async def _cleared(connection: Connection, late: list[Incoming]) -> bool:
    late.clear()
    found = connection.subscribe("towline/pi/request/level", late.append)
    await auntil(lambda: found.granted is not None)
    await connection.publish("towline/pi/request/level", b"")
    await auntil(lambda: any(not message.retained for message in late))
    connection.unsubscribe(found)
    return not any(message.retained for message in late)


async def test_of_replayed_forged_and_stale_requests_none_is_executed(tmp_path: Path) -> None:
    async with asking(tmp_path, f", secret: {SECRET}") as asker:

        def signed(transaction: str, what: str = "level", *, at: float = 0.0) -> bytes:
            body = '{"to":"error"}'
            stamp = round((time.time() + at) * 1000)
            mac = signature(Secret(SECRET), "pi", what, transaction, stamp, body)
            about = {"transaction": transaction, "timestamp": stamp, "body": body}
            return json.dumps(about | {"signature": mac}).encode()

        good = signed("one")
        await asker.send("level", good)
        await auntil(lambda: asker.answers.get("one", {}).get("ok"))
        await asker.send("level", signed("late", at=-31))
        await asker.send("level", signed("early", at=31))
        await asker.send("level", signed("other", "status"))
        await auntil(lambda: {"late", "early", "other"} <= asker.answers.keys())
        codes = [asker.answers[name]["error"]["code"] for name in ("late", "early", "other")]
        assert codes == ["stale", "stale", "bad_signature"]
        topic, counters = "towline/pi/request/level", asker.part.health.counters
        for _ in range(100):
            await asker.connection.publish_all([(topic, good)] * 100)
            await asyncio.sleep(0)
        await auntil(lambda: counters["refused"] + counters["dropped"] >= 10_000, 60)
        assert counters["answered"] == 1


async def test_more_than_the_rate_are_refused(tmp_path: Path) -> None:
    async with asking(tmp_path) as asker:
        file = tmp_path / "towline.yaml"
        file.write_text(file.read_text().replace("rate: 6000", "rate: 3, allow: [status]"))
        part = asker.part
        await asker.towline.reload()
        await auntil(lambda: asker.part is not part)
        assert (await asker.ask("level", to="error"))["error"]["code"] == "not_allowed"
        found = [(await asker.ask("status")).get("error", {}).get("code") for _ in range(4)]
        assert found == [None, None, None, "too_many"]
