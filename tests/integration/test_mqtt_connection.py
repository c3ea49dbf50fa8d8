from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.backends import broker_settings, connected
from tests.real.broker import Broker, free_port
from tests.real.process import Process
from tests.real.until import auntil
from towline.broker.connection import Connection
from towline.config.settings import Secret
from towline.errors import Rejected, Retryable
from towline.status import State

pytestmark = pytest.mark.broker


async def test_a_broker_that_is_down_delays_nothing_and_is_told_in_words() -> None:
    settings = broker_settings(f"mqtt://127.0.0.1:{free_port()}")
    async with connected(settings, wait=False) as connection:
        await auntil(lambda: connection.health.state == State.DEGRADED)
        assert connection.health.reason == "broker home: connection refused"
        with pytest.raises(Retryable, match="connection refused"):
            await connection.publish_all([("a", b"")])


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_messages_arrive_in_order_with_their_qos(
    broker: Broker, qos: int, version: str
) -> None:
    # 300 in QoS 2 by MQTT 3.1.1: mosquitto 2.0.11 would lose all beyond 20 in flight
    topic = f"order/{version}/{qos}"
    async with connected(broker_settings(broker.url, version=version), "order") as connection:
        with broker.listen(topic, qos=2) as listener:
            messages = [(topic, b"%d" % number) for number in range(300)]
            await connection.publish_all(messages, qos=qos)
            found = await asyncio.to_thread(listener.expect, 300)
    assert [(m.payload, m.qos) for m in found] == [(payload, qos) for _, payload in messages]


async def test_many_publishers_share_one_connection(broker: Broker) -> None:
    async with connected(broker_settings(broker.url), "many") as connection:
        with broker.listen("many/#") as listener:
            await asyncio.gather(
                *(
                    connection.publish_all([(f"many/{who}", b"%d" % n) for n in range(100)])
                    for who in range(5)
                )
            )
            found = await asyncio.to_thread(listener.expect, 500)
    for who in range(5):
        mine = [m.payload for m in found if m.topic == f"many/{who}"]
        assert mine == [b"%d" % n for n in range(100)]


async def test_a_retained_message_is_there_for_whoever_comes_later(broker: Broker) -> None:
    async with connected(broker_settings(broker.url), "keeper") as connection:
        await connection.publish_all([("kept/a", b"yes")], retain=True)
        await connection.publish_all([("kept/b", b"no")], retain=False)
    with broker.listen("kept/#") as listener:
        (found,) = await asyncio.to_thread(listener.expect, 1)
    assert (found.topic, found.payload, found.retain) == ("kept/a", b"yes", True)


async def test_the_device_says_online_and_on_a_clean_stop_offline(broker: Broker) -> None:
    with broker.listen("towline/tidy/status") as listener:
        async with connected(broker_settings(broker.url), "tidy"):
            await asyncio.to_thread(listener.expect, 1)
        found = await asyncio.to_thread(listener.expect, 2)
    assert [m.payload for m in found] == [b"online", b"offline"]
    with broker.listen("towline/tidy/status") as listener:
        (left,) = await asyncio.to_thread(listener.expect, 1)
    assert (left.payload, left.retain) == (b"offline", True)


CLIENT = """
import asyncio, sys
from tests.contract.backends import broker_settings, connected
async def main():
    async with connected(broker_settings(sys.argv[1]), "killed"):
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_killed_the_broker_says_offline_for_us(broker: Broker, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root / "src"), str(root)])
    command = [sys.executable, "-c", CLIENT, broker.url]
    client = Process(command, tmp_path / "client.log", env={"PYTHONPATH": path})
    with broker.listen("towline/killed/status") as listener:
        client.start()
        await asyncio.to_thread(listener.expect, 1)
        client.signal(signal.SIGKILL)
        found = await asyncio.to_thread(listener.expect, 2)
    client.stop()
    assert [m.payload for m in found] == [b"online", b"offline"]


@pytest.mark.parametrize("version", ["auto", "3.1.1"])
async def test_a_wrong_password_is_told_and_mended_without_a_restart(
    tmp_path: Path, version: str
) -> None:
    with Broker(tmp_path / "b", users={"towline": "right"}) as broker:
        settings = broker_settings(
            broker.url, username="towline", password=Secret("new"), version=version
        )
        async with connected(settings, wait=False) as connection:
            await auntil(lambda: connection.health.state == State.DEGRADED)
            assert connection.health.reason in (
                "broker home: not authorised",
                "broker home: wrong user name or password",
            )
            broker.users["towline"] = "new"
            await asyncio.to_thread(broker.restart)
            await asyncio.wait_for(connection.ready(), 10)
            assert connection.health.state == State.UP


async def test_a_broker_that_comes_back_is_used_again(tmp_path: Path) -> None:
    with Broker(tmp_path / "b") as broker:
        async with connected(broker_settings(broker.url)) as connection:
            broker.kill()
            await auntil(lambda: connection.health.state == State.DEGRADED)
            assert connection.health.reason.startswith("broker home: connection")
            broker.start()
            await asyncio.wait_for(connection.ready(), 10)
            await connection.publish_all([("a", b"")])
            assert connection.health.counters["connected"] == 2


async def test_the_second_server_serves_while_the_first_is_away(tmp_path: Path) -> None:
    with Broker(tmp_path / "one") as one, Broker(tmp_path / "two") as two:
        async with connected(broker_settings(one.url, two.url)) as connection:
            assert connection.server == f"127.0.0.1:{one.port}"
            one.kill()
            await auntil(lambda: connection.server == f"127.0.0.1:{two.port}")
            await connection.publish_all([("a", b"")])


async def test_two_clients_that_fight_for_one_id_are_told_so(broker: Broker) -> None:
    settings = broker_settings(broker.url)
    async with connected(settings, "twin") as first, connected(settings, "twin", wait=False):
        await auntil(
            lambda: (
                first.health.last_error == "broker home: connection lost again and again: "
                "another client may use the id towline-twin"
            )
        )


async def test_a_broker_that_has_stopped_answering_is_given_up(tmp_path: Path) -> None:
    with Broker(tmp_path / "b") as broker:
        settings = broker_settings(broker.url)
        async with Connection("home", settings, "pi", patience=1.0) as connection:
            running = asyncio.create_task(connection.run())
            await connection.ready()
            broker.freeze()
            with pytest.raises(Retryable, match="no answer from the broker"):
                await asyncio.wait_for(connection.publish_all([("a", b"")]), 10)
            broker.thaw()
            await asyncio.wait_for(connection.ready(), 15)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_broker_of_an_older_mqtt_is_spoken_to_in_it(broker: Broker) -> None:
    """It answers a version 5 CONNECT as MQTT 3.1.1 says: code 1, and closes."""
    levels: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.read(1000)
        levels.append(hello[hello.index(b"MQTT") + 4])
        if levels[-1] == 5:
            writer.write(b"\x20\x02\x00\x01")
        else:
            there, back = await asyncio.open_connection("127.0.0.1", broker.port)
            back.write(hello)
            await asyncio.gather(pump(reader, back), pump(there, writer))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        async with connected(broker_settings(f"mqtt://127.0.0.1:{port}"), "old") as connection:
            await connection.publish_all([("a", b"")])
    assert levels == [5, 4]


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
    target.close()


async def test_something_that_is_no_broker_is_told_and_tried_again() -> None:
    greetings = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal greetings
        greetings += 1
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = broker_settings(f"mqtt://127.0.0.1:{port}")
        async with connected(settings, wait=False) as connection:
            await auntil(lambda: greetings > 4)
            assert connection.health.state == State.DEGRADED
            assert connection.health.reason.startswith("broker home: ")


async def test_a_publish_the_broker_does_not_allow_is_rejected_by_position(
    tmp_path: Path,
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite open/#\ntopic readwrite towline/#\n")
    acl.chmod(0o600)
    with Broker(tmp_path / "b", options=[f"acl_file {acl}"]) as broker:
        async with connected(broker_settings(broker.url)) as connection:
            with broker.listen("open/#") as listener:
                with pytest.raises(Rejected, match="not authorised") as caught:
                    await connection.publish_all(
                        [("open/a", b"1"), ("shut", b"2"), ("open/b", b"3")]
                    )
                assert caught.value.positions == (1,)
                found = await asyncio.to_thread(listener.expect, 2)
    assert [m.payload for m in found] == [b"1", b"3"]


async def test_over_tls_only_a_certificate_of_a_known_authority_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    files = ["-nodes", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *files, *subject], check=True, capture_output=True)
    port = free_port()
    options = [f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}"]
    with Broker(tmp_path / "b", options=[*options, "allow_anonymous true"]):
        settings = broker_settings(f"mqtts://127.0.0.1:{port}")
        async with connected(settings, wait=False) as connection:
            await auntil(lambda: connection.health.state == State.DEGRADED)
            assert connection.health.reason.startswith("broker home: certificate not accepted: ")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with connected(settings) as connection:
            await connection.publish_all([("a", b"x" * 100_000)] * 20)
