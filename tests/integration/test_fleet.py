"""A hub: records of other Towlines over MQTT, and lines of devices over HTTP."""

from __future__ import annotations

import gzip
import json
import secrets
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.cli_run import Run, running
from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import until

LINES = 2000
COUNTING = f"""
    i=0; while [ $i -lt {LINES} ]; do
        i=$((i+1)); echo $i; [ $((i % 50)) = 0 ] && usleep 50000
    done
"""


def hub(broker: Broker, base: str) -> str:
    return f"""version: 1
device: {{id: hub-{base}}}
store: {{flush: 200ms}}
sources:
  fleet: {{type: mqtt, broker: home, topic: "{base}/#"}}
  devices: {{type: ingest, tokens: [secret-token]}}
brokers: {{home: {{servers: ["{broker.url}"]}}}}
"""


def leaf(engine: Engine, broker: Broker, base: str) -> str:
    return f"""version: 1
device: {{id: leaf-{base}}}
sources: {{docker: {{type: docker, url: "{engine.host}", include: [{{name: "{base}"}}]}}}}
brokers: {{home: {{servers: ["{broker.url}"]}}}}
backends:
  hub: {{type: mqtt, broker: home, topic: "{base}/{{service}}/{{level}}", batch: {{max_age: 50ms}}}}
"""


def numbers(run: Run, *arguments: str) -> list[int]:
    return [int(one["message"]) for one in run.records(*arguments) if one["message"].isdigit()]


def test_a_hub_has_every_line_of_another_towline_once_whenever_it_is_killed(
    tmp_path: Path, engine: Engine, broker: Broker, containers: Containers
) -> None:
    base = f"fleet-{secrets.token_hex(4)}"
    with (
        running(tmp_path / "hub", hub(broker, base)) as at,
        running(tmp_path / "leaf", leaf(engine, broker, base)),
    ):
        containers.run(COUNTING, name=base)
        for kill in range(1, 4):
            until(lambda: len(numbers(at, base, "-n", "all")) >= kill * 400, 60)  # noqa: B023
            at.process.kill()
            at.start()
        until(lambda: len(set(numbers(at, base, "-n", "all"))) == LINES, 60, pause=0.2)
        (first, *_) = at.records(base, "-n", "1")
        assert first["device"] == f"leaf-{base}"
        assert first["serviceName"] == base
        assert first["remoteId"]
        found = numbers(at, base, "-n", "all")
    assert sorted(set(found)) == list(range(1, LINES + 1))
    # a kill forgets which records were taken but not acknowledged yet: those come again
    assert max(Counter(found).values()) <= 1 + 3


def test_what_anybody_publishes_is_a_line_of_its_topic(tmp_path: Path, broker: Broker) -> None:
    base = f"fleet-{secrets.token_hex(4)}"
    with running(tmp_path / "hub", hub(broker, base)) as at:
        until(lambda: at.status()["components"]["brokers.home"]["state"] == "up", 30)
        until(lambda: publish_seen(at, broker, base), 30, pause=0.5)
        (record,) = at.records(f"{base}/garden/pump", "-n", "1")
        assert record["message"] == "water is low"
        assert record["source"] == {"type": "device", "name": f"{base}/garden/pump"}


def publish_seen(at: Run, broker: Broker, base: str) -> bool:
    broker.publish(f"{base}/garden/pump", "water is low")
    return bool(at.records(f"{base}/garden/pump"))


@pytest.fixture
def at(tmp_path: Path, broker: Broker) -> Iterator[Run]:
    with running(tmp_path / "hub", hub(broker, "nobody")) as run:
        yield run


def sent(number: int, **more: Any) -> bytes:
    about = {"message": f"row {number}", "timestamp": int(time.time() * 1000), **more}
    return json.dumps(about).encode() + b"\n"


def post(at: Run, path: str, content: bytes, **headers: str) -> httpx.Response:
    given = {"Authorization": "Bearer secret-token", **headers}
    return httpx.post(
        f"{at.url}/device/v2/abc123/{path}", content=content, headers=given, timeout=60
    )


NDJSON = {"Content-Type": "application/x-ndjson"}


def test_a_device_streams_its_lines_as_a_supervisor_does(at: Run) -> None:
    packer = zlib.compressobj(wbits=31)
    pieces = [
        packer.compress(sent(n, serviceId=9)) + packer.flush(zlib.Z_SYNC_FLUSH) for n in range(50)
    ]
    pieces.append(packer.compress(sent(50, isSystem=True)) + packer.flush())
    answer = post(at, "log-stream", b"".join(pieces), **NDJSON, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 201
    found = at.records("-n", "all", "--text", "row ")
    assert [record["message"] for record in found] == [f"row {n}" for n in range(51)]
    assert {record["device"] for record in found} == {"abc123"}
    assert found[0]["serviceId"] == 9
    assert found[50]["isSystem"]


def test_a_batch_is_on_disk_when_it_is_answered(at: Run) -> None:
    body = b"[" + b",".join(sent(n).strip() for n in range(10)) + b"]"
    assert post(at, "logs", body, **{"Content-Type": "application/json"}).status_code == 201
    at.process.kill()
    at.start()
    assert [one["message"] for one in at.records("--text", "row ")] == [
        f"row {n}" for n in range(10)
    ]


def test_what_a_device_sent_is_read_back_in_its_own_words(at: Run) -> None:
    body = b"".join(sent(n, isStdErr=True, serviceId=3) for n in range(20))
    assert post(at, "log-stream", body, **NDJSON).status_code == 201
    answer = httpx.get(f"{at.url}/device/v2/abc123/logs?count=5")
    rows = [json.loads(row) for row in answer.text.splitlines()]
    assert [row["message"] for row in rows] == [f"row {n}" for n in range(15, 20)]
    assert {row["serviceId"] for row in rows} == {3}
    assert all(row["isStdErr"] and row["createdAt"] for row in rows)


@pytest.mark.parametrize(
    ("path", "content", "headers", "status"),
    [
        ("log-stream", sent(1), NDJSON | {"Authorization": "Bearer wrong"}, 401),
        ("log-stream", sent(1), NDJSON | {"Authorization": ""}, 401),
        ("log-stream", sent(1), {"Content-Type": "application/json"}, 415),
        ("log-stream", b"{nonsense\n", NDJSON, 400),
        ("log-stream", b"no gzip", NDJSON | {"Content-Encoding": "gzip"}, 400),
        ("logs", b"{}", {}, 400),
        ("logs", b'[{"message":1,"timestamp":1}]', {}, 400),
        ("logs", b"[" + b",".join([sent(1).strip()] * 1001) + b"]", {}, 400),
    ],
)
def test_what_is_wrong_is_refused_with_its_status(
    at: Run, path: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    assert post(at, path, content, **headers).status_code == status


def test_a_line_of_a_wrong_shape_is_passed_over_and_counted(at: Run) -> None:
    body = sent(1) + b'{"message": 5, "timestamp": 1}\n' + sent(2)
    assert post(at, "log-stream", body, **NDJSON).status_code == 201
    assert len(at.records("--text", "row ")) == 2
    assert at.status()["components"]["sources.devices"]["counters"]["passed_over"] == 1


def test_a_bomb_of_gzip_does_not_fill_memory(at: Run) -> None:
    bomb = gzip.compress(b"x" * 200_000_000)
    answer = post(at, "log-stream", bomb, **NDJSON, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 400
    peak = Path(f"/proc/{at.process.pid}/status").read_text()
    high = next(int(row.split()[1]) for row in peak.splitlines() if row.startswith("VmHWM"))
    assert high < 200_000
