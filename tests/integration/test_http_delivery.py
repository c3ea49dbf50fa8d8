"""From a store through delivery to HTTP destinations that do what such destinations do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract.backends import kind_of
from tests.contract.peers import ClickHouse, Collector, Elasticsearch, Loki
from tests.integration.mqtt_rig import append, delivering_to
from tests.real.http import HttpPeer, Reply, Seen
from tests.real.until import auntil

CUT_OFF = Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
TROUBLE = [
    Reply(503),
    Reply(429, headers={"Retry-After": "0"}),
    Reply(raw=b"", taken=True),
    Reply(500, b"oops", taken=True),
    Reply(200, b"<html>Log in", "text/html"),
    Reply(200, b"<html>Log in", "text/html", taken=True),
    Reply(302, headers={"Location": "/login"}),
    Reply(raw=CUT_OFF.raw, taken=True),
    Reply(401),
]


@pytest.mark.parametrize(
    ("kind", "make", "once"),
    [
        ("loki", Loki, True),
        ("elasticsearch", Elasticsearch, True),
        ("clickhouse", ClickHouse, True),
        ("otlp", Collector, False),
    ],
)
async def test_nothing_is_lost_whatever_is_answered(
    tmp_path: Path, kind: str, make: type[Loki], once: bool
) -> None:
    async with make() as peer:
        keys = {"url": peer.url, "batch": {"max_age": "10ms", "max_records": 50}}
        async with delivering_to(tmp_path, kind_of(kind, tmp_path, **keys)) as (store, delivery):
            for round_, trouble in enumerate(TROUBLE):
                peer.replies.extend([trouble, CUT_OFF, trouble])
                append(store, [f"line {round_ * 100 + number}" for number in range(100)])
                await auntil(lambda: delivery.lag == 0 and not peer.replies, 30)
            assert not delivery.health.counters["rejected"]
        found = [line.decode() for line in peer.lines()]
        wanted = [f"line {number}" for number in range(100 * len(TROUBLE))]
        assert (found if once else list(dict.fromkeys(found))) == wanted


class Picky(Loki):
    """Refuses every push that holds a poisonous line, or is larger than it takes."""

    most = 1 << 30

    def answer(self, seen: Seen) -> Reply:
        if len(seen.body) > self.most:
            return Reply(413)
        return Reply(400, b"poison") if b"poison" in seen.body else super().answer(seen)


async def test_poisonous_records_are_found_and_the_others_arrive_in_order(tmp_path: Path) -> None:
    texts = [f"{'poison' if number in (0, 77, 199) else 'line'} {number}" for number in range(200)]
    async with Picky() as peer:
        backend = kind_of("loki", tmp_path, url=peer.url)
        async with delivering_to(tmp_path, backend) as (store, delivery):
            append(store, texts)
            await auntil(lambda: delivery.lag == 0, 30)
            assert delivery.health.counters["rejected"] == 3
        assert peer.lines() == [text.encode() for text in texts if "poison" not in text]
    dead = (tmp_path / "dead" / "tested.ndjson").read_text().splitlines()
    assert [json.loads(row)["reason"] for row in dead] == ["refused (400) poison"] * 3


async def test_a_batch_too_large_goes_in_parts_and_what_is_alone_too_large_is_set_aside(
    tmp_path: Path,
) -> None:
    texts = [f"line {number}" for number in range(100)]
    async with Picky() as peer:
        peer.most = 4000
        backend = kind_of("loki", tmp_path, url=peer.url, compression="none")
        async with delivering_to(tmp_path, backend) as (store, delivery):
            append(store, [*texts, "x" * 5000, "the end"])
            await auntil(lambda: delivery.lag == 0, 30)
            assert delivery.health.counters["rejected"] == 1
        assert [line.decode() for line in peer.lines()] == [*texts, "the end"]


async def test_an_outage_delays_and_loses_nothing(tmp_path: Path) -> None:
    peer: HttpPeer = Elasticsearch()
    await peer.start()
    await peer.stop()
    backend = kind_of("elasticsearch", tmp_path, url=peer.url)
    async with delivering_to(tmp_path, backend) as (store, delivery):
        append(store, [f"line {number}" for number in range(1000)])
        await auntil(lambda: delivery.health.reason == "connection refused")
        async with peer:
            await auntil(lambda: delivery.lag == 0, 30)
            assert len(peer.lines()) == 1000
