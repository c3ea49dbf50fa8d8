"""Subscriptions and their actions, on a real broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.backends import broker_settings, connected
from tests.integration.alert_rig import running
from tests.real.broker import Broker
from tests.real.until import auntil
from towline.actions.occasion import Occasion
from towline.actions.runner import Job, Runner
from towline.app import Towline
from towline.audit.files import verified
from towline.broker.connection import Connection
from towline.config.patience import Patience
from towline.config.subscriptions import Condition, Subscription
from towline.errors import Rejected
from towline.status import Health, State
from towline.subscriptions.listener import MOST_WAITING, Listener
from towline.subscriptions.sharing import NOT_DELIVERED, fault

pytestmark = pytest.mark.broker

VERSIONS = pytest.mark.parametrize("version", ["5", "3.1.1"])


class Deed:
    """An action that remembers for what it was performed."""

    def __init__(self) -> None:
        self.payloads: list[str] = []
        self.fails = False
        self.gate: asyncio.Event | None = None

    async def perform(self, occasion: Occasion) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise Rejected("told to fail")
        self.payloads.append(occasion.words["payload"])


@dataclass(slots=True)
class Rig:
    """A listener that runs."""

    listener: Listener
    deed: Deed

    @property
    def counters(self) -> dict[str, int]:
        return dict(self.listener.health.counters)


def wanted(topic: str, **more: Any) -> Subscription:
    given: dict[str, Any] = {
        "broker": "home",
        "topic": topic,
        "shared_group": "",
        "qos": 1,
        "retained": False,
        "enabled": True,
        "description": "",
        "when": (),
        "at_once": 4,
        "rate": 1_000_000,
        "actions": (),
    }
    return Subscription(**given | more)


@asynccontextmanager
async def listening(
    connection: Connection, settings: Subscription, *, still: bool = False, wait: bool = True
) -> AsyncIterator[Rig]:
    deed, health = Deed(), Health()
    job = Job(kind="deed", action=deed, patience=Patience(timeout=30, retry=0))
    runner = Runner("subscriptions.x", [job], health)
    found = Listener("x", settings, "pi", connection, runner, health, still=lambda: still)
    async with found:
        task = asyncio.create_task(found.run())
        try:
            if wait:
                await auntil(lambda: found.as_json()["granted"] is not None)
            yield Rig(found, deed)
        finally:
            found.drain()
            await asyncio.wait_for(task, 10)


@VERSIONS
async def test_each_message_is_acted_on_once(broker: Broker, version: str) -> None:
    async with connected(broker_settings(broker.url, version=version), f"acts{version}") as own:
        async with listening(own, wanted(f"acts/{version}/+")) as rig:
            for number in range(300):
                await own.publish(f"acts/{version}/a", b"%d" % number)
            await auntil(lambda: len(rig.deed.payloads) == 300)
        assert sorted(map(int, rig.deed.payloads)) == list(range(300))
        assert (rig.counters["received"], rig.counters["executed"]) == (300, 300)


@VERSIONS
async def test_retained_messages_trigger_nothing_unless_asked(broker: Broker, version: str) -> None:
    topic = f"kept/{version}"
    broker.publish(topic, "old", retain=True)
    async with connected(broker_settings(broker.url, version=version), f"kept{version}") as own:
        async with listening(own, wanted(topic)) as deaf:
            await own.publish(topic, b"new")
            await auntil(lambda: deaf.deed.payloads)
            assert deaf.deed.payloads == ["new"]
        async with listening(own, wanted(topic, retained=True)) as rig:
            await auntil(lambda: rig.deed.payloads)
            assert rig.deed.payloads == ["old"]


async def test_a_payload_that_does_not_fit_is_passed_over(broker: Broker) -> None:
    when = (Condition(path="do", equals="go", regex=None),)
    async with (
        connected(broker_settings(broker.url), "fits") as own,
        listening(own, wanted("fits", when=when)) as rig,
    ):
        for payload in (b"go", b'{"do":"stay"}', b'{"do":"go"}', b"x" * 300_000):
            await own.publish("fits", payload)
        await auntil(lambda: rig.counters.get("received") == 4 and rig.deed.payloads)
        assert rig.deed.payloads == ['{"do":"go"}']
        assert (rig.counters["passed_over"], rig.counters["oversized"]) == (2, 1)


async def test_an_action_that_fails_or_hangs_harms_no_other_subscription(broker: Broker) -> None:
    async with (
        connected(broker_settings(broker.url), "harms") as own,
        listening(own, wanted("harms/a")) as hanging,
        listening(own, wanted("harms/b")) as failing,
        listening(own, wanted("harms/c")) as well,
    ):
        hanging.deed.gate = asyncio.Event()
        failing.deed.fails = True
        for number in range(200):
            for topic in ("harms/a", "harms/b", "harms/c"):
                await own.publish(topic, b"%d" % number)
        await auntil(lambda: len(well.deed.payloads) == 200)
        await auntil(lambda: failing.counters.get("failed") == 200)
        assert failing.listener.as_json()["lastError"] == "deed: told to fail"
        assert failing.listener.health.state == State.DEGRADED
        assert well.listener.health.state == State.UP
        hanging.deed.gate.set()
        await auntil(lambda: len(hanging.deed.payloads) == 200)


async def test_what_comes_between_two_listeners_is_lost_by_neither(broker: Broker) -> None:
    found: list[str] = []
    async with connected(broker_settings(broker.url), "between") as own:

        async def send() -> None:
            for number in range(1000):
                await own.publish("between", b"%d" % number)

        sending: asyncio.Task[None] | None = None
        while sending is None or not sending.done():
            async with listening(own, wanted("between"), still=True) as rig:
                sending = sending or asyncio.create_task(send())
                await asyncio.sleep(0.02)
            found += rig.deed.payloads
        async with listening(own, wanted("between")) as rig:
            await auntil(lambda: len(found) + len(rig.deed.payloads) >= 1000)
        found += rig.deed.payloads
    assert sorted(map(int, found)) == list(range(1000))


@VERSIONS
async def test_a_group_of_three_gets_every_message_exactly_once(
    broker: Broker, version: str
) -> None:
    topic, settings = f"jobs/{version}", broker_settings(broker.url, version=version)
    shared = wanted(f"{topic}/#", shared_group="hub")
    async with (
        connected(settings, f"one{version}") as one,
        connected(settings, f"two{version}") as two,
        connected(settings, f"three{version}") as three,
        connected(settings, f"sender{version}") as sender,
        listening(one, shared) as first,
        listening(two, shared) as second,
        listening(three, shared) as third,
    ):
        rigs = [first, second, third]
        for begin in range(0, 3000, 100):
            batch = [(f"{topic}/{n % 7}", b"%d" % n) for n in range(begin, begin + 100)]
            await sender.publish_all(batch)
        await auntil(lambda: sum(len(rig.deed.payloads) for rig in rigs) >= 3000, 60)
        await sender.publish(f"{topic}/end", b"3000")
        await auntil(lambda: any("3000" in rig.deed.payloads for rig in rigs))
    found = [int(payload) for rig in rigs for payload in rig.deed.payloads]
    assert sorted(found) == list(range(3001))
    assert all(rig.deed.payloads for rig in rigs)


@VERSIONS
async def test_a_broker_that_shares_is_found_sound(broker: Broker, version: str) -> None:
    async with connected(broker_settings(broker.url, version=version), f"probe{version}") as own:
        assert await fault(own, f"probe{version}") == ""
        assert own.facts()["subscriptions"] == []


async def test_a_member_that_dies_comes_back_and_nothing_is_lost(broker: Broker) -> None:
    settings = broker_settings(broker.url)
    shared = wanted("crash/+", shared_group="crew")
    found: list[str] = []
    async with (
        connected(settings, "stays") as stays,
        connected(settings, "tells") as sender,
        listening(stays, shared) as first,
    ):
        for begin in range(0, 1000, 250):
            async with connected(settings, "dies") as dies:
                task = asyncio.create_task(_killed(dies, shared, found))
                for number in range(begin, begin + 250):
                    await sender.publish("crash/a", b"%d" % number)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        assert found
        async with connected(settings, "dies") as dies, listening(dies, shared) as last:

            def heard() -> set[int]:
                return {*map(int, found + first.deed.payloads + last.deed.payloads)}

            await auntil(lambda: len(heard()) == 1000)


async def _killed(connection: Connection, settings: Subscription, found: list[str]) -> None:
    """A listener that is never drained."""
    deed, health = Deed(), Health()
    job = Job(kind="deed", action=deed, patience=Patience(timeout=30, retry=0))
    runner = Runner("subscriptions.x", [job], health)
    listener = Listener("x", settings, "pi", connection, runner, health, still=lambda: True)
    try:
        async with listener:
            await listener.run()
    finally:
        found += deed.payloads


async def test_a_broker_that_grants_and_delivers_nothing_is_found_out(broker: Broker) -> None:
    async with taking_literally(broker) as port:
        settings = broker_settings(f"mqtt://127.0.0.1:{port}")
        async with connected(settings, "literal") as own:
            assert await fault(own, "literal", patience=2) == NOT_DELIVERED
            async with listening(own, wanted("literal", shared_group="g")) as rig:
                await auntil(lambda: rig.listener.health.state == State.DEGRADED, 30)
                told = rig.listener.as_json()
                assert told["reason"] == f"$share/g/literal: {NOT_DELIVERED}"
                assert told["granted"] == 1


@asynccontextmanager
async def taking_literally(broker: Broker) -> AsyncIterator[int]:
    """A way to a broker for which `$share` is a topic like any other, as with NATS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", broker.port)
        await asyncio.gather(pump(reader, back, b"$share/"), pump(there, writer, b""))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, word: bytes) -> None:
        with suppress(OSError):
            while octets := await reader.read(65536):
                writer.write(octets.replace(word, b"_share/") if word else octets)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        server.close()


async def test_an_action_that_calls_itself_is_bounded(broker: Broker) -> None:
    async with (
        connected(broker_settings(broker.url), "circle") as own,
        listening(own, wanted("circle", rate=50)) as rig,
    ):
        perform = rig.deed.perform

        async def again(occasion: Occasion) -> None:
            await perform(occasion)
            await own.publish("circle", b"again")

        rig.deed.perform = again  # type: ignore[method-assign]
        await own.publish("circle", b"begin")
        await auntil(lambda: rig.counters.get("limited"))
        assert 50 <= rig.counters["executed"] < 60


@VERSIONS
async def test_a_flood_of_retained_messages_is_bounded_and_counted(
    tmp_path: Path, version: str
) -> None:
    options = ("max_queued_messages 0", "max_inflight_messages 0")
    with Broker(tmp_path / "flood", options=options) as flooded:
        settings = broker_settings(flooded.url, version=version)
        async with connected(settings, "fills") as sender:
            for begin in range(0, 50_000, 500):
                batch = [(f"flood/{n}", b"x" * 100) for n in range(begin, begin + 500)]
                await sender.publish_all(batch, retain=True)
        async with connected(settings, "flooded") as own:
            async with listening(own, wanted("flood/#", retained=True)) as rig:
                rig.deed.gate = asyncio.Event()
                await auntil(lambda: rig.counters.get("received", 0) >= 50_000, 120)
                assert rig.listener.as_json()["waiting"] <= MOST_WAITING + 101
                assert rig.counters["dropped"] >= 50_000 - MOST_WAITING - 101
                rig.deed.gate.set()
                await auntil(lambda: not rig.listener.as_json()["waiting"])
            async with listening(own, wanted("flood/#")) as deaf:
                await own.publish("flood/live", b"live")
                await auntil(lambda: deaf.deed.payloads, 60)
                assert deaf.deed.payloads == ["live"]
                told = deaf.listener.health.counters["retained"]
                assert told == (0 if version == "5" else 50_000)


FILE = """\
version: 1
device: {{id: pi}}
sources: {{}}
brokers: {{home: {{servers: ["{url}"]}}}}
subscriptions:
  # says what came
  echo:
    broker: home
    topic: in/+
    actions: [{{publish: {{broker: home, topic: "out/{{fields.to}}"}}}}]
  louder: {{broker: home, topic: louder, actions: [{{level: {{to: debug}}}}]}}
  restart: {{broker: home, topic: cmd, actions: [{{container: {{service: web, do: restart}}}}]}}
"""


def client(towline: Towline) -> httpx.AsyncClient:
    settings = towline._settings.api
    base = f"http://{settings.host}:{settings.port}/api/v1/mqtt-config/home"
    return httpx.AsyncClient(base_url=base, timeout=30)


async def test_a_running_towline_acts_and_is_changed_live(tmp_path: Path) -> None:
    file = tmp_path / "towline.yaml"
    with Broker(tmp_path / "broker") as broker:
        file.write_text(FILE.format(url=broker.url))
        with broker.listen("out/#") as listener:
            async with running(file, tmp_path / "data") as towline, client(towline) as api:

                def part(name: str) -> Listener:
                    found = towline.parts()[f"subscriptions.{name}"]
                    assert isinstance(found, Listener)
                    return found

                async def row(name: str) -> dict[str, Any]:
                    rows = (await api.get("/subscriptions")).json()["subscriptions"]
                    return next(each for each in rows if each["id"] == name)

                await auntil(lambda: part("echo").as_json()["granted"])
                await auntil(lambda: part("restart").as_json()["granted"])
                await asyncio.to_thread(broker.publish, "in/a", '{"to": "x/../y"}')
                await auntil(lambda: listener.messages)
                assert listener.messages[0].topic == "out/x_.._y"
                await asyncio.to_thread(broker.publish, "cmd", "")
                await auntil(lambda: part("restart").health.counters["failed"])
                assert "may not be controlled" in (await row("restart"))["lastError"]
                before = towline.parts()
                answer = await api.put("/subscriptions/echo", json={"enabled": False})
                assert answer.json()["changed"] == ["subscriptions.echo"]
                after = towline.parts()
                assert after["subscriptions.louder"] is before["subscriptions.louder"]
                assert after["brokers.home"] is before["brokers.home"]
                assert (await row("echo"))["enabled"] is False
                assert "# says what came\n  echo:\n    broker: home\n" in file.read_text()
                await asyncio.to_thread(broker.publish, "in/a", '{"to": "z"}')
                wrong = await api.put("/subscriptions/echo", json={"topic": "a/#/b"})
                assert wrong.status_code == 422
                named = await api.put("/subscriptions/a:%20{}", json={"topic": "a"})
                assert (named.status_code, named.json()["error"]["code"]) == (422, "bad_name")
                again = await api.put("/subscriptions/echo", json={"enabled": None})
                assert again.json()["changed"] == ["subscriptions.echo"]
                await auntil(lambda: part("echo").as_json()["granted"])
                await asyncio.to_thread(broker.publish, "in/a", '{"to": "last"}')
                await auntil(lambda: len(listener.messages) > 1)
                assert [m.topic for m in listener.messages] == ["out/x_.._y", "out/last"]
                rows, _ = await towline.audit.page(100)
    found = [(row["actor"], row["action"]) for row in map(json.loads, reversed(rows))]
    assert found[:2] == [("subscriptions.echo", "actions"), ("subscriptions.restart", "actions")]
    assert found.count(("127.0.0.1", "PUT /mqtt-config/{broker}/subscriptions/{id}")) == 4
    assert found.count(("127.0.0.1", "configuration")) == 2
    files, entries, faults = verified(tmp_path / "data")
    assert (files, faults) == (1, [])
    assert entries >= len(rows)  # the last action may have been put down meanwhile
