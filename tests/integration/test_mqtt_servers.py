"""TLS, WebSocket, failover and the way back, on real brokers."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contract.backends import broker_settings, connected
from tests.integration.mqtt_rig import append, delivering
from tests.real.broker import Broker, free_port
from tests.real.certificates import Authority
from tests.real.until import auntil
from towline.broker import connection as connection_room
from towline.broker.connection import Connection
from towline.broker.servers import Account
from towline.config.settings import Secret
from towline.config.tls import Tls
from towline.delivery.policy import Policy
from towline.errors import Retryable
from towline.status import State

pytestmark = pytest.mark.broker


def tls(**given: object) -> Tls:
    members = {"ca": "", "cert": "", "key": "", "verify": True} | given
    key = Secret(str(members.pop("key")))
    return Tls(key=key, **{name: _text(value) for name, value in members.items()})  # type: ignore[arg-type]


def _text(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def listener(port: int, cert: Path, key: Path, *more: str) -> list[str]:
    lines = [f"listener {port} 127.0.0.1", f"certfile {cert}", f"keyfile {key}"]
    return [*lines, "allow_anonymous true", *more]


async def reason(connection: Connection) -> str:
    await auntil(lambda: connection.health.state == State.DEGRADED)
    return connection.health.reason.removeprefix("broker home: ")


async def test_an_own_authority_is_trusted_and_a_client_certificate_shown(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    options = listener(
        port, *authority.issue("server"), f"cafile {authority.ca}", "require_certificate true"
    )
    with Broker(tmp_path / "b", options=options):
        url = f"mqtts://localhost:{port}"
        anonymous = broker_settings(url, tls=tls(ca=authority.ca))
        async with connected(anonymous, wait=False) as connection:
            assert await reason(connection)
        cert, key = authority.issue("pi")
        named = tls(ca=authority.ca, cert=cert, key=key.read_text())
        async with connected(broker_settings(url, tls=named, alpn=("mqtt",))) as connection:
            await connection.publish("a", b"x" * 300_000)


async def test_a_certificate_at_fault_is_told_in_words_and_nothing_is_sent(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    expired, elsewhere = free_port(), free_port()
    options = [
        *listener(expired, *authority.issue("old", expired=True)),
        *listener(elsewhere, *authority.issue("other", ("nas.example",))),
    ]
    with Broker(tmp_path / "b", options=options):
        for port, told in ((expired, "expired"), (elsewhere, "not valid for")):
            settings = broker_settings(f"mqtts://localhost:{port}", tls=tls(ca=authority.ca))
            async with connected(settings, wait=False) as connection:
                assert told in await reason(connection)
                assert connection.health.counters["connected"] == 0


async def test_a_certificate_renewed_on_disk_counts_at_the_next_try(tmp_path: Path) -> None:
    authority, other, port = Authority(tmp_path), Authority(tmp_path / "other"), free_port()
    ca = tmp_path / "config" / "ca.pem"
    ca.parent.mkdir()
    ca.write_bytes(other.ca.read_bytes())
    with Broker(tmp_path / "b", options=listener(port, *authority.issue("server"))):
        settings = broker_settings(f"mqtts://localhost:{port}", tls=tls(ca="ca.pem"))
        async with connected(settings, wait=False, folder=ca.parent) as connection:
            assert "certificate" in await reason(connection)
            ca.write_bytes(authority.ca.read_bytes())
            await asyncio.wait_for(connection.ready(), 10)


async def test_an_unverified_server_is_warned_of_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority, port = Authority(tmp_path), free_port()
    with Broker(tmp_path / "b", options=listener(port, *authority.issue("server", ("else",)))):
        settings = broker_settings(f"mqtts://localhost:{port}", tls=tls(verify=False))
        with caplog.at_level(logging.WARNING):
            async with connected(settings) as connection:
                assert connection.facts()["warnings"] == [connection_room.UNVERIFIED]
    assert connection_room.UNVERIFIED in caplog.text


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_mqtt_goes_through_a_websocket(tmp_path: Path, version: str) -> None:
    port = free_port()
    options = [f"listener {port} 127.0.0.1", "protocol websockets", "allow_anonymous true"]
    with Broker(tmp_path / "b", options=options) as broker:
        settings = broker_settings(f"ws://127.0.0.1:{port}/mqtt", version=version)
        with broker.listen("web/#") as heard:
            async with connected(settings) as connection:
                await connection.publish_all([("web/a", b"%d" % n) for n in range(500)])
                await connection.publish("web/b", b"x" * 300_000)
            found = await asyncio.to_thread(heard.expect, 501)
    assert [m.payload for m in found[:500]] == [b"%d" % n for n in range(500)]
    assert len(found[-1].payload) == 300_000


async def test_a_server_without_websockets_is_told(broker: Broker) -> None:
    settings = broker_settings(f"ws://127.0.0.1:{broker.port}/mqtt")
    async with connected(settings, "web", wait=False) as connection:
        assert await reason(connection)
        assert connection.facts()["servers"][0]["state"] == "failed"


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[Sequence[Broker]]:
    with Broker(folder / "one") as first, Broker(folder / "two") as second:
        yield first, second


async def test_a_better_server_is_gone_back_to_once_it_has_been_there_for_a_while(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as (first, second):
        settings = broker_settings(first.url, second.url, fail_back=1.0)
        first.stop()
        async with connected(settings) as connection:
            assert connection.server == f"127.0.0.1:{second.port}"
            connection.keep("about", b"me")
            first.start()
            await auntil(lambda: connection.server == f"127.0.0.1:{first.port}", 20)
            with first.listen("about") as heard, second.listen("towline/pi/status") as left:
                (found,) = await asyncio.to_thread(heard.expect, 1)
                (gone,) = await asyncio.to_thread(left.expect, 1)
    assert found.payload == b"me"
    assert gone.payload == b"offline"


async def test_without_fail_back_it_stays_where_it_is(tmp_path: Path) -> None:
    async with two(tmp_path) as (first, second):
        settings = broker_settings(first.url, second.url, fail_back=0.0)
        first.stop()
        async with connected(settings) as connection:
            first.start()
            await connection.publish("a", b"")
            assert [each["state"] for each in connection.facts()["servers"]] == ["failed", "used"]


async def test_records_under_load_outlive_a_kill_and_the_way_back(tmp_path: Path) -> None:
    """Lost: none. Repeated: no more than what one send held when the server died."""
    total, batch = 12_000, 50
    async with two(tmp_path) as (first, second):
        settings = broker_settings(first.url, second.url, fail_back=1.0)
        # QoS 0: the broker hands on at once; what it queued for a subscriber would die with it
        listening = [broker.listen("towline/pi/logs/#", qos=0) for broker in (first, second)]
        with listening[0] as one, listening[1] as other:
            async with (
                connected(settings) as connection,
                delivering(tmp_path, connection, topic="towline/{device}/logs/{service}") as (
                    store,
                    delivery,
                ),
            ):
                for start in range(0, total, batch):
                    append(store, [str(n) for n in range(start, start + batch)])
                    await asyncio.sleep(0.01)
                    if start == total // 3:
                        first.kill()
                    if start == total * 2 // 3:
                        first.start()
                await auntil(lambda: connection.server.endswith(str(first.port)), 20)
                append(store, ["end"])
                await auntil(lambda: delivery.lag == 0, 20)
            await auntil(lambda: one.messages and one.messages[-1].json()["message"] == "end")
            found = [m.json()["message"] for m in (*one.messages, *other.messages)]
    counts = Counter(found)
    assert counts.keys() >= {str(n) for n in range(total)}
    assert sum(counts.values()) - len(counts) <= Policy().max_records


async def test_a_half_open_link_is_noticed_without_traffic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("towline.broker.link.PING_EVERY", 0.5)
    monkeypatch.setattr("towline.broker.link.PING_PATIENCE", 1.0)
    with Broker(tmp_path / "b") as broker:
        async with connected(broker_settings(broker.url)) as connection:
            await auntil(lambda: connection.facts()["latencyMs"] is not None)
            broker.freeze()
            assert await reason(connection) == "no answer from the broker"
            broker.thaw()
            await asyncio.wait_for(connection.ready(), 20)


async def test_the_account_is_asked_again_at_every_failure(tmp_path: Path) -> None:
    asked: list[str] = []

    async def account() -> Account:
        asked.append("")
        if len(asked) == 1:
            raise OSError("the supervisor does not answer")
        word = "old" if len(asked) == 2 else "new"
        return Account(username="towline", password=Secret(word), servers=(broker.url,))

    with Broker(tmp_path / "b", users={"towline": "new"}) as broker:
        settings = broker_settings("mqtt://127.0.0.1:1")
        async with connected(settings, accounts=account) as connection:
            await connection.publish("a", b"")
            assert connection.health.counters["connected"] == 1
    assert len(asked) == 3


async def test_two_towlines_with_one_client_id_are_told_so(broker: Broker) -> None:
    settings = broker_settings(broker.url, version="5")
    async with connected(settings, "twins") as one, connected(settings, "twins", wait=False):
        await auntil(lambda: one.facts()["takenOver"] > 0, 20)
        assert "another client may use the id towline-twins" in one.health.last_error


async def test_a_name_that_is_none_is_told_and_the_next_server_used(broker: Broker) -> None:
    settings = broker_settings("mqtt://no-such-host.invalid", broker.url)
    async with connected(settings, "named") as connection:
        first, second = connection.facts()["servers"]
    assert (first["state"], first["error"]) == ("failed", "name not found")
    assert (second["state"], second["error"]) == ("used", None)


async def test_asked_to_reconnect_it_does_so_at_once(broker: Broker) -> None:
    async with connected(broker_settings(broker.url), "again") as connection:
        connection.reconnect()
        await auntil(lambda: connection.facts()["connections"] == 2)
        await asyncio.wait_for(connection.ready(), 10)


async def test_what_is_not_connected_says_so(broker: Broker) -> None:
    async with connected(broker_settings(f"mqtt://127.0.0.1:{free_port()}"), wait=False) as closed:
        with pytest.raises(Retryable):
            await closed.publish("a", b"")
        facts = closed.facts()
    assert (facts["connected"], facts["server"], facts["lastConnected"]) == (False, None, None)


async def test_a_broker_that_tells_of_itself_is_asked_once_somebody_wants_to_know(
    broker: Broker,
) -> None:
    async with connected(broker_settings(broker.url), "curious") as connection:
        assert connection.facts()["broker"] is None
        await auntil(lambda: connection.facts()["broker"] is not None)
        assert "mosquitto" in connection.facts()["broker"]["software"]


async def test_a_broker_that_hangs_up_on_the_question_is_not_asked_again(broker: Broker) -> None:
    async with connected(broker_settings(broker.url), "shy") as connection:
        connection.facts()
        connection.reconnect()
        await auntil(lambda: connection.facts()["connections"] == 2)
        await asyncio.wait_for(connection.ready(), 10)
        facts = connection.facts()
    assert (facts["broker"], facts["subscriptions"]) == (None, [])
