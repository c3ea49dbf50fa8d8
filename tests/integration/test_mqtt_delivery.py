from __future__ import annotations

import asyncio
import json
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.contract.backends import broker_settings, connected, rows
from tests.integration.mqtt_rig import append, delivering
from tests.real.broker import Broker
from tests.real.until import auntil
from towline.backends.mqtt import Packing
from towline.record import Origin, OriginType
from towline.status import State

pytestmark = pytest.mark.broker

# else mosquitto drops what a subscriber has not taken, from the thousandth message on
UNBOUNDED = ["max_queued_messages 0"]


def numbered(start: int, count: int) -> list[str]:
    return [f"line {number}" for number in range(start, start + count)]


def texts(found: list[bytes]) -> list[str]:
    return [json.loads(row)["message"] for row in found]


async def test_what_was_logged_while_the_broker_was_down_arrives_when_it_comes(
    tmp_path: Path,
) -> None:
    broker = Broker(tmp_path / "broker", options=UNBOUNDED)
    async with (
        connected(broker_settings(broker.url), wait=False) as connection,
        delivering(tmp_path, connection) as (store, delivery),
    ):
        append(store, numbered(0, 2000))
        await auntil(lambda: delivery.health.reason == "broker home: connection refused")
        delivery.pause()
        with broker, broker.listen("towline/pi/logs/#") as listener:
            delivery.resume()
            await auntil(lambda: len(listener.messages) >= 2000, 20)
            assert texts(rows(listener)) == numbered(0, 2000)
            await auntil(lambda: delivery.lag == 0)
            assert delivery.health.state == State.UP


@pytest.mark.parametrize("batch", [None, Packing(max_age=0.1, max_records=50, compression="none")])
async def test_a_broker_killed_under_load_and_started_again_misses_nothing(
    tmp_path: Path, batch: Packing | None
) -> None:
    total, kills = 12_000, 3
    seen: list[str] = []
    with Broker(tmp_path / "broker", options=UNBOUNDED) as broker:
        async with (
            connected(broker_settings(broker.url)) as connection,
            delivering(tmp_path, connection, batch=batch) as (store, delivery),
        ):
            each = total // (kills + 1)
            counters = delivery.health.counters
            for kill in range(kills + 1):
                # mosquitto writes to a subscriber of QoS 0 before it acknowledges to us
                with broker.listen("towline/pi/logs/#", qos=0) as listener:
                    delivery.resume()
                    enough = counters["sent"] + each // 3
                    append(store, numbered(kill * each, each))
                    if kill == kills:
                        await auntil(lambda: delivery.lag == 0, 20)
                    else:
                        await auntil(partial(at_least, counters, enough))
                        delivery.pause()
                        broker.kill()
                        await auntil(lambda: connection.health.state == State.DEGRADED)
                    found = await settled(listener)
                    seen += texts(found)
                if kill < kills:
                    broker.start()
                    await asyncio.wait_for(connection.ready(), 10)
    assert set(seen) == set(numbered(0, total))
    assert len(seen) - total <= kills * 500


def at_least(counters: Counter[str], sent: int) -> bool:
    return counters["sent"] >= sent


async def settled(listener: object) -> list[bytes]:
    """What a listener has when nothing more comes."""
    before = -1
    while True:
        found = await asyncio.to_thread(rows, listener)  # type: ignore[arg-type]
        if len(found) == before:
            return found
        before = len(found)
        await asyncio.sleep(0.2)


async def test_records_of_a_topic_go_together_in_batches(tmp_path: Path) -> None:
    api = Origin(type=OriginType.CONTAINER, name="api", device="pi", app="1", service="api")
    with Broker(tmp_path / "broker") as broker, broker.listen("towline/pi/logs/#") as listener:
        async with (
            connected(broker_settings(broker.url)) as connection,
            delivering(
                tmp_path, connection, batch=Packing(max_age=0.2, max_records=50, compression="none")
            ) as (
                store,
                _,
            ),
        ):
            append(store, ["a", "b"])
            append(store, ["x"], api, "error")
            append(store, ["c"])
            found = await asyncio.to_thread(listener.expect, 2)
    assert [(m.topic, m.json()["count"]) for m in found] == [
        ("towline/pi/logs/1/web/info/batch", 3),
        ("towline/pi/logs/1/api/error/batch", 1),
    ]
    assert [row["message"] for row in found[0].json()["logs"]] == ["a", "b", "c"]


async def test_hostile_names_never_break_the_connection(broker: Broker, tmp_path: Path) -> None:
    names = ["a+b", "#", "x/y/../z", "nul\0", "$SYS", "", "\ufffe", "größe", "\x85"]
    async with (
        connected(broker_settings(broker.url), "hostile") as connection,
        delivering(tmp_path, connection, topic="{service}/x/{app}/{level}") as (store, delivery),
    ):
        with broker.listen("+/x/#") as listener:
            for name in names:
                origin = Origin(
                    type=OriginType.CONTAINER,
                    name=name,
                    device="hostile",
                    service=name,
                    app=name,
                )
                append(store, ["x"], origin)
            found = await asyncio.to_thread(listener.expect, len(names))
        await auntil(lambda: delivery.lag == 0)
        assert connection.health.counters["connected"] == 1
    assert [m.topic.partition("/")[0] for m in found] == [
        "a_b", "_", "x_y_.._z", "nul_", "_SYS", "unknown", "_", "größe", "_",
    ]  # fmt: skip


LIMITS = [
    ("auto", "max_packet_size 3000"),  # said in the CONNACK
    ("3.1.1", "max_packet_size 3000"),  # not said: the broker hangs up
    ("5", "message_size_limit 3000"),  # said only when it hangs up
]


@pytest.mark.parametrize("batch", [None, Packing(max_age=0.1, max_records=5, compression="none")])
@pytest.mark.parametrize(("version", "option"), LIMITS)
async def test_a_message_over_the_brokers_limit_is_set_aside_and_the_others_flow(
    tmp_path: Path, version: str, option: str, batch: Packing | None
) -> None:
    with (
        Broker(tmp_path / "broker", options=[option]) as broker,
        broker.listen("towline/pi/logs/#") as listener,
    ):
        async with (
            connected(broker_settings(broker.url, version=version)) as connection,
            delivering(tmp_path, connection, batch=batch) as (store, delivery),
        ):
            append(store, ["first", "x" * 5000, "last"])
            await auntil(lambda: {"first", "last"} <= set(texts(rows(listener))))
            await auntil(lambda: delivery.lag == 0)
            assert delivery.health.counters["rejected"] == 1
            assert delivery.health.state == State.UP
    (dead,) = (tmp_path / "dead" / "tested.ndjson").read_text().splitlines()
    assert json.loads(dead)["record"]["message"] == "x" * 5000
    assert "larger" in json.loads(dead)["reason"]


async def test_a_topic_that_is_not_allowed_never_blocks_the_others(tmp_path: Path) -> None:
    shut = Origin(type=OriginType.CONTAINER, name="shut", device="pi", app="1", service="shut")
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite towline/pi/status\ntopic readwrite towline/pi/logs/1/web/#\n")
    acl.chmod(0o600)
    with (
        Broker(tmp_path / "broker", options=[f"acl_file {acl}"]) as broker,
        broker.listen("towline/pi/logs/1/web/#") as listener,
    ):
        async with (
            connected(broker_settings(broker.url)) as connection,
            delivering(tmp_path, connection) as (store, delivery),
        ):
            append(store, numbered(0, 10))
            append(store, ["secret"] * 3, shut)
            append(store, numbered(10, 10))
            await auntil(lambda: delivery.lag == 0)
            await auntil(lambda: len(listener.messages) >= 20)
            assert texts(rows(listener)) == numbered(0, 20)
            assert delivery.health.counters["rejected"] == 3
            assert "not authorised" in delivery.health.last_error
