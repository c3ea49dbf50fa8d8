from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol

from towline.backends.mqtt import DEFAULT_TOPIC, KIND, MqttBackend, MqttSettings, Packing
from towline.broker.window import Message
from towline.config.kinds import Surroundings
from towline.config.settings import Device
from towline.errors import DeliveryError, Rejected
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, Record

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", app="1", service="web")
API = Origin(type=OriginType.CONTAINER, name="api", device="pi", app="1", service="api")


class Publisher:
    """A broker's connection that keeps what it is given, or refuses it."""

    def __init__(self) -> None:
        self.largest = 1 << 28
        self.sent: list[tuple[list[Message], int, bool]] = []
        self.error: DeliveryError | None = None

    async def publish_all(self, messages: Sequence[Message], *, qos: int, retain: bool) -> None:
        self.sent.append((list(messages), qos, retain))
        if self.error:
            raise self.error

    async def ready(self) -> None:
        return


def record(text: str, origin: Origin = WEB, level: str = "info", *, stderr: bool = False) -> Record:
    line = Line(text=text, time="t", timestamp=0, level=level, stderr=stderr)
    return encode(template_of(origin), [line], 7)[0]


def backend(publisher: Publisher, **members: Any) -> MqttBackend:
    return MqttBackend(settings(**members), publisher)


def settings(**written: Any) -> MqttSettings:
    return KIND.config(**KIND.schema({"broker": "home", **written}))  # type: ignore[no-any-return]


def test_what_is_not_written_has_the_documented_default() -> None:
    assert settings() == MqttSettings(
        broker="home", topic=DEFAULT_TOPIC, qos=1, retain=False, batch=None
    )
    assert settings(batch={}).batch == Packing(max_age=1.0, max_records=50, compression="none")


@pytest.mark.parametrize(
    "written",
    [{"qos": 3}, {"topic": "a/#"}, {"topic": "{colour}"}, {"retain": "yes"}, {"bath": {}},
     {"batch": {"max_records": 0}}, {"batch": {"max_age": 1}}],
)  # fmt: skip
def test_a_wrong_value_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(vol.Invalid):
        settings(**written)


def test_it_leans_on_its_broker_and_is_opened_with_it() -> None:
    publisher = Publisher()
    around = Surroundings(
        device=Device(id="pi", name="Pi"),
        lookup={"brokers.home": publisher}.__getitem__,
        checkpoints=None,
        max_age=1.0,
    )
    assert KIND.needs(settings()) == {"brokers.home"}
    assert isinstance(KIND.open("mqtt", settings(), around), MqttBackend)


async def test_each_record_is_a_message_with_its_own_bytes() -> None:
    publisher = Publisher()
    records = [record("a"), record("b", API, "error", stderr=True), record("c")]
    await backend(publisher, qos=2, retain=True).send(records)
    topics = ["towline/pi/logs/1/web/info", "towline/pi/logs/1/api/error"]
    assert publisher.sent == [
        ([(topics[0], records[0].json), (topics[1], records[1].json), (topics[0], records[2].json)],
         2, True)
    ]  # fmt: skip


async def test_stderr_and_stdout_part_where_the_topic_says_stream() -> None:
    publisher = Publisher()
    await backend(publisher, topic="{stream}").send([record("a"), record("b", stderr=True)])
    assert [topic for topic, _ in publisher.sent[0][0]] == ["stdout", "stderr"]


async def test_a_batch_is_one_message_per_topic_in_order() -> None:
    publisher = Publisher()
    it = backend(publisher, batch={"max_records": 2})
    assert (it.max_records, it.max_age) == (2, 1.0)
    await it.send([record(text, (WEB, API)[text in "bd"]) for text in "abcde"])
    ((messages, qos, _),) = publisher.sent
    assert qos == 1
    assert [
        (topic, body["count"], [row["message"] for row in body["logs"]])
        for topic, payload in messages
        for body in [json.loads(payload)]
    ] == [
        ("towline/pi/logs/1/web/info/batch", 2, ["a", "c"]),
        ("towline/pi/logs/1/web/info/batch", 1, ["e"]),
        ("towline/pi/logs/1/api/info/batch", 2, ["b", "d"]),
    ]


async def test_no_message_of_several_records_exceeds_what_the_broker_takes() -> None:
    publisher = Publisher()
    publisher.largest = 2000
    await backend(publisher, batch={}).send([record("x" * 300) for _ in range(20)])
    messages = publisher.sent[0][0]
    assert len(messages) > 1
    assert all(len(topic) + len(payload) + 16 <= 2000 for topic, payload in messages)
    assert sum(json.loads(payload)["count"] for _, payload in messages) == 20


async def test_a_refused_message_of_one_record_names_it() -> None:
    publisher = Publisher()
    publisher.error = Rejected("no", positions=[1])
    with pytest.raises(Rejected) as caught:
        await backend(publisher, batch={}).send([record("a"), record("b", API), record("c")])
    assert caught.value.positions == (1,)


async def test_a_refused_message_of_several_records_leaves_it_open_which_one() -> None:
    publisher = Publisher()
    publisher.error = Rejected("no", positions=[0])
    with pytest.raises(Rejected) as caught:
        await backend(publisher, batch={}).send([record("a"), record("b", API), record("c")])
    assert caught.value.positions == ()


def test_the_documentation_names_the_default_topic() -> None:
    page = Path(__file__).parents[3] / "docs" / "mqtt.md"
    assert DEFAULT_TOPIC in page.read_text()


async def test_with_gzip_a_message_is_the_same_batch_made_smaller() -> None:
    plain, small = Publisher(), Publisher()
    records = [record(f"line {number}") for number in range(200)]
    await backend(plain, batch={}).send(records)
    await backend(small, batch={"compression": "gzip"}).send(records)
    ((expected, _, _),), ((found, _, _),) = plain.sent, small.sent
    assert [(topic, gzip.decompress(payload)) for topic, payload in found] == expected
    assert sum(len(payload) for _, payload in found) < sum(len(p) for _, p in expected) / 2


async def test_a_large_amount_is_compressed_beside_the_loop() -> None:
    publisher = Publisher()
    records = [record(f"{number}" * 1000) for number in range(100)]
    await backend(publisher, batch={"compression": "gzip"}).send(records)
    ((found, _, _),) = publisher.sent
    assert sum(json.loads(gzip.decompress(payload))["count"] for _, payload in found) == 100
