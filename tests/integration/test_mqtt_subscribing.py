from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.backends import broker_settings, connected
from tests.real.broker import Broker
from tests.real.until import auntil
from towline.broker.connection import Connection
from towline.broker.incoming import Inbox, Incoming
from towline.errors import Rejected

pytestmark = pytest.mark.broker

VERSIONS = pytest.mark.parametrize("version", ["5", "3.1.1"])


async def granted(connection: Connection, topic_filter: str, inbox: Inbox, **how: bool) -> None:
    subscription = connection.subscribe(topic_filter, inbox, **how)
    await auntil(lambda: subscription.granted is not None)


async def upto(inbox: Inbox, payload: bytes) -> AsyncIterator[Incoming]:
    async with asyncio.timeout(10):
        async for message in inbox:
            yield message
            if message.payload == payload:
                return


@VERSIONS
async def test_what_comes_for_a_filter_is_handed_over_in_order(
    broker: Broker, version: str
) -> None:
    inbox = Inbox()
    topics = [f"in/{version}/a", f"in/{version}/b/c"]
    async with connected(broker_settings(broker.url, version=version), "hears") as connection:
        await granted(connection, f"in/{version}/#", inbox)
        await connection.publish_all([(topics[n % 2], b"%d" % n) for n in range(600)])
        found = [await asyncio.wait_for(anext(inbox), 10) for _ in range(600)]
    assert [(m.topic, m.payload) for m in found] == [(topics[n % 2], b"%d" % n) for n in range(600)]
    assert not any(m.retained for m in found)


@VERSIONS
async def test_a_subscription_holds_for_every_connection_there_will_be(
    tmp_path: Path, version: str
) -> None:
    inbox, sessions = Inbox(), Inbox()
    with Broker(tmp_path / "one") as one, Broker(tmp_path / "two") as two:
        settings = broker_settings(one.url, two.url, version=version, clean_session=True)
        async with connected(settings, "moves", wait=False) as connection:
            connection.on_session(lambda: sessions(Incoming("", b"")))
            await granted(connection, "cmd/+", inbox)
            one.kill()
            await auntil(lambda: connection.server.endswith(str(two.port)))
            await asyncio.wait_for(connection.ready(), 10)
            await connection.publish("cmd/a", b"there")
            assert (await asyncio.wait_for(anext(inbox), 10)).payload == b"there"
            assert sessions.counters["received"] == 2


@VERSIONS
async def test_filters_that_overlap_get_a_message_once_each(broker: Broker, version: str) -> None:
    every, some = Inbox(), Inbox()
    settings = broker_settings(broker.url, version=version)
    async with connected(settings, "overlaps") as connection:
        await granted(connection, f"over/{version}/#", every)
        await granted(connection, f"over/{version}/+/x", some)
        for payload in (b"1", b"2"):
            await connection.publish(f"over/{version}/a/x", payload)
        await connection.publish(f"over/{version}/end", b"3")
        await auntil(lambda: every.counters["received"] == 3)
    assert [(await anext(every)).payload for _ in range(3)] == [b"1", b"2", b"3"]
    assert [(await anext(some)).payload for _ in range(2)] == [b"1", b"2"]
    assert not len(every)
    assert not len(some)


@VERSIONS
async def test_retained_messages_say_so_and_can_be_passed_over(
    broker: Broker, version: str
) -> None:
    broker.publish(f"was/{version}", "old", retain=True)
    told, spared = Inbox(), Inbox()
    async with connected(broker_settings(broker.url, version=version), "late") as connection:
        await granted(connection, f"was/{version}", spared, retained=False)
        await granted(connection, f"was/{version}/#", told)
        await connection.publish(f"was/{version}", b"new")
        assert (await asyncio.wait_for(anext(spared), 10)).payload == b"new"
        *before, last = [m async for m in upto(told, b"new")]
    # MQTT 3.1.1 does not say for which of two filters a message comes: then more than once
    assert {(m.payload, m.retained) for m in before} == {(b"old", True)}
    assert not last.retained
    assert spared.counters["received"] == 1


async def test_what_was_not_acknowledged_comes_again(broker: Broker) -> None:
    settings = broker_settings(broker.url, client_id="acks-{device}")
    for expected in ([b"1", b"2"], [b"2"]):
        inbox = Inbox()
        async with connected(settings, "later") as connection:
            await granted(connection, "acks/#", inbox, acknowledges=True)
            if expected[0] == b"1":
                await connection.publish_all([("acks/a", b"1"), ("acks/a", b"2")])
            found = [await asyncio.wait_for(anext(inbox), 10) for _ in expected]
            found[0].acknowledge()
            await connection.publish("elsewhere", b"")  # its answer comes after the acknowledgement
        assert [m.payload for m in found] == expected


async def test_an_unsubscribed_filter_is_taken_back_even_from_a_lasting_session(
    tmp_path: Path,
) -> None:
    inbox = Inbox()
    with Broker(tmp_path / "b") as broker:
        async with connected(broker_settings(broker.url)) as connection:
            subscription = connection.subscribe("gone/#", inbox)
            await auntil(lambda: subscription.granted is not None)
            broker.stop()
            connection.unsubscribe(subscription)
            broker.start()
            await granted(connection, "here", inbox)
            await connection.publish_all([("gone/a", b"1"), ("here", b"2")])
            assert (await asyncio.wait_for(anext(inbox), 10)).payload == b"2"


async def test_a_filter_that_is_none_is_refused_at_once(broker: Broker) -> None:
    async with connected(broker_settings(broker.url), "wrong") as connection:
        with pytest.raises(ValueError, match="# stands alone"):
            connection.subscribe("a/#/b", Inbox())


async def test_what_is_kept_stands_at_whatever_broker_there_is(tmp_path: Path) -> None:
    with Broker(tmp_path / "one") as one, Broker(tmp_path / "two") as two:
        async with connected(broker_settings(one.url, two.url), wait=False) as connection:
            connection.keep("about/a", b"1")
            connection.keep("about/b", b"2")
            connection.keep("about/a", b"3")
            connection.keep("about/b", b"")
            with one.listen("about/a") as listener:
                (found,) = await asyncio.to_thread(listener.expect, 1)
            assert found.payload == b"3"
            one.kill()
            await auntil(lambda: connection.server.endswith(str(two.port)))
            connection.keep("about/c", b"last word")
        with two.listen("about/#") as listener:
            found, last = await asyncio.to_thread(listener.expect, 2)
        assert (found.payload, found.retain) == (b"3", True)
        assert last.payload == b"last word"


async def test_what_is_no_topic_is_kept_from_standing_in_the_way_of_others(
    broker: Broker,
) -> None:
    async with connected(broker_settings(broker.url), "keeps", wait=False) as connection:
        with pytest.raises(Rejected, match="not a topic"):
            connection.keep("kept/+", b"1")
        connection.keep("kept/topic", b"1")
        with broker.listen("kept/topic") as listener:
            (found,) = await asyncio.to_thread(listener.expect, 1)
    assert found.payload == b"1"


async def test_a_flood_of_retained_messages_is_bounded_and_counted(broker: Broker) -> None:
    inbox = Inbox(50, over="newest")
    async with connected(broker_settings(broker.url), "flooded") as connection:
        messages = [(f"flood/{n}", b"x" * 100) for n in range(5000)]
        await connection.publish_all(messages, retain=True)
        connection.subscribe("flood/#", inbox, qos=0)
        await auntil(lambda: inbox.counters["received"] == 5000)
        assert len(inbox) == 50
        assert inbox.counters["dropped"] == 4950
        await connection.publish("elsewhere", b"")
