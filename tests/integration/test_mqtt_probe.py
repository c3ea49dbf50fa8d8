"""What `test` says of a broker's settings, on real brokers and on what is none."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.contract.backends import broker_settings
from tests.integration.test_mqtt_servers import listener, tls
from tests.real.broker import Broker, free_port
from tests.real.certificates import Authority
from tests.real.until import auntil
from towline.broker.probe import Guard, anywhere, probe
from towline.config.brokers import Broker as BrokerSettings
from towline.config.settings import Secret

pytestmark = pytest.mark.broker


async def tried(settings: BrokerSettings, guard: Guard = anywhere) -> dict[str, Any]:
    return await probe(settings, "pi", Path(), guard)


def steps(report: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(step["step"], step["ok"]) for step in report["steps"]]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_sound_broker_passes_every_step(broker: Broker, version: str) -> None:
    report = await tried(broker_settings(broker.url, version=version))
    assert (report["status"], report["connected"], report["error"]) == ("ok", True, None)
    names = ("dns", "tcp", "connect", "subscribe", "publish")
    assert steps(report) == [(name, True) for name in names]
    assert report["latency_ms"] > 0
    assert report["broker_info"]["version"] == version
    assert "mosquitto" in report["broker_info"]["software"]


async def test_with_tls_the_certificate_is_shown(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    with Broker(tmp_path / "b", options=listener(port, *authority.issue("server"))):
        report = await tried(broker_settings(f"mqtts://localhost:{port}", tls=tls(ca=authority.ca)))
    (shown,) = [step["text"] for step in report["steps"] if step["step"] == "tls"]
    assert report["status"] == "ok"
    assert shown.startswith("for localhost, 127.0.0.1; by CN=authority; until 20")


async def failed(settings: BrokerSettings, at: str) -> str:
    report = await tried(settings)
    assert report["status"] == "failed"
    assert report["error"]
    (step,) = [step for step in report["steps"] if not step["ok"]]
    assert step["step"] == at, report["steps"]
    return str(step["text"])


async def test_a_name_that_is_none_is_told() -> None:
    assert await failed(broker_settings("mqtt://no-such-host.invalid:1883"), "dns")


async def test_a_port_that_nobody_listens_at_is_told() -> None:
    settings = broker_settings(f"mqtt://127.0.0.1:{free_port()}")
    assert await failed(settings, "tcp") == "connection refused"


async def test_an_unknown_authority_is_told_with_what_the_server_shows(tmp_path: Path) -> None:
    authority, other, port = Authority(tmp_path), Authority(tmp_path / "o"), free_port()
    with Broker(tmp_path / "b", options=listener(port, *authority.issue("server"))):
        settings = broker_settings(f"mqtts://localhost:{port}", tls=tls(ca=other.ca))
        told = await failed(settings, "tls")
    assert "certificate not accepted" in told
    assert "for localhost, 127.0.0.1; by CN=authority" in told


@pytest.mark.parametrize(
    ("hosts", "expired", "words"),
    [(("nas.example",), False, "not valid for"), (("localhost",), True, "expired")],
    ids=["wrong host", "expired"],
)
async def test_a_certificate_at_fault_is_told(
    tmp_path: Path, hosts: tuple[str, ...], expired: bool, words: str
) -> None:
    authority, port = Authority(tmp_path), free_port()
    issued = authority.issue("server", hosts, expired=expired)
    with Broker(tmp_path / "b", options=listener(port, *issued)):
        settings = broker_settings(f"mqtts://localhost:{port}", tls=tls(ca=authority.ca))
        assert words in await failed(settings, "tls")


async def test_a_server_without_tls_is_told(broker: Broker) -> None:
    settings = broker_settings(f"mqtts://127.0.0.1:{broker.port}", tls=tls(verify=False))
    assert await failed(settings, "tls")


async def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    with Broker(tmp_path / "b", users={"towline": "right"}) as broker:
        settings = broker_settings(broker.url, username="towline", password=Secret("wrong"))
        told = await failed(settings, "connect")
    assert told in ("not authorised", "wrong user name or password")


async def test_a_server_that_accepts_and_never_answers_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("towline.broker.dial.ANSWER_TIMEOUT", 0.5)

    visits = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append("came")
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        visits.append("went")

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told = await failed(broker_settings(f"mqtt://127.0.0.1:{port}"), "connect")
        await auntil(lambda: visits.count("went") == visits.count("came"))
    assert told == "no answer"


ACL = "topic {} towline/pi/test/#\ntopic readwrite other/#\n"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_topic_that_may_not_be_published_to_is_told(tmp_path: Path, version: str) -> None:
    acl = tmp_path / "acl"
    acl.write_text(ACL.format("read"))
    acl.chmod(0o600)
    with Broker(tmp_path / "b", options=[f"acl_file {acl}"]) as broker:
        told = await failed(broker_settings(broker.url, version=version), "publish")
    assert ("not authorised" if version == "5" else "did not come back") in told


async def test_the_second_server_is_tried_where_the_first_is_away(broker: Broker) -> None:
    report = await tried(broker_settings(f"mqtt://127.0.0.1:{free_port()}", broker.url))
    assert report["status"] == "ok"
    assert [step["step"] for step in report["steps"] if not step["ok"]] == ["tcp"]


async def test_an_address_that_is_denied_is_never_connected_to() -> None:
    visitors = 0

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visitors
        visitors += 1
        writer.close()

    async with await asyncio.start_server(visited, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = broker_settings(f"mqtt://localhost:{port}")
        report = await tried(settings, lambda at, address: f"{address} is not for tests")
        assert report["error"].endswith("is not for tests")
        report = await tried(settings)
    assert visitors > 0
    assert steps(report)[:2] == [("dns", True), ("tcp", True)]
