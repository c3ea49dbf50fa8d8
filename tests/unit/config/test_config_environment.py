from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.kinds import loaded, problems

FILE = "version: 1\n"


def test_without_a_file_and_variables_towline_runs_on_defaults() -> None:
    found = loaded(None, host_name="my host!")
    assert found.device.id == found.device.name == "my-host"
    assert {name: entry.type for name, entry in found.sources.items()} == {"docker": "docker"}
    assert found.sources["docker"].config.url == "unix:///var/run/docker.sock"
    assert (found.brokers, found.backends, found.routes) == ({}, {}, ())
    assert found.store.path == Path("data")
    assert (found.api.host, found.api.port, found.api.tokens) == ("127.0.0.1", 8099, ())


def test_mqtt_broker_brings_a_broker_and_the_mqtt_backend() -> None:
    environment = {
        "MQTT_BROKER": "nas, mqtts://b.local ,[::1]:1884",
        "MQTT_USERNAME": "me",
        "MQTT_PASSWORD": "hunter2",
    }
    found = loaded(None, environment=environment)
    broker = found.brokers["default"]
    assert broker.servers == ("mqtt://nas:1883", "mqtts://b.local:8883", "mqtt://[::1]:1884")
    assert (broker.username, broker.password.reveal()) == ("me", "hunter2")
    backend = found.backends["mqtt"]
    assert (backend.type, backend.config.broker, backend.config.batch) == ("mqtt", "default", None)
    assert backend.config.topic == "towline/{device}/logs/{app}/{service}/{level}"


@pytest.mark.parametrize(
    ("topic", "meant"),
    [
        ("container-manager/logs/", "container-manager/logs/{app}/{service}/{level}"),
        ("device/{device}/logs", "device/{device}/logs"),
    ],
)
def test_mqtt_topic_is_a_template_or_a_base(topic: str, meant: str) -> None:
    found = loaded(None, environment={"MQTT_BROKER": "nas", "MQTT_TOPIC": topic})
    assert found.backends["mqtt"].config.topic == meant


@pytest.mark.parametrize(
    ("batch", "interval", "meant"),
    [
        ("true", "", (1.0, 50)),
        ("FALSE", "5", None),
        ("", "5", (5.0, 50)),
        ("20", "500ms", (0.5, 20)),
        ("20", "2.5", (2.5, 20)),
    ],
)
def test_mqtt_batch_and_its_interval(
    batch: str, interval: str, meant: tuple[float, int] | None
) -> None:
    environment = {"MQTT_BROKER": "nas", "MQTT_BATCH": batch, "MQTT_BATCH_INTERVAL": interval}
    found = loaded(None, environment=environment).backends["mqtt"].config.batch
    assert (found and (found.max_age, found.max_records)) == meant


def test_what_the_file_defines_stands_above_the_environment() -> None:
    text = (
        "version: 1\n"
        "sources: {docker: {type: docker, url: unix:///mine}}\n"
        "store: {path: here}\n"
        "brokers: {default: {servers: [mqtt://mine]}}\n"
        "backends: {mqtt: {type: mqtt, broker: default, topic: mine}}\n"
    )
    environment = {
        "MQTT_BROKER": "nas",
        "MQTT_TOPIC": "theirs",
        "LOG_DIR": "/there",
        "DOCKER_HOST": "tcp://nas:2375",
    }
    found = loaded(text, environment=environment)
    assert found.brokers["default"].servers == ("mqtt://mine:1883",)
    assert found.backends["mqtt"].config.topic == "mine"
    assert found.store.path == Path("here")
    assert found.sources["docker"].config.url == "unix:///mine"


def test_variables_fill_what_the_file_leaves_open() -> None:
    environment = {"MQTT_BROKER": "nas", "LOG_DIR": "/there", "DOCKER_HOST": "tcp://nas:2375"}
    found = loaded("version: 1\nstore: {memory: 5}\nbrokers:\n", environment=environment)
    assert found.store.path == Path("/there")
    assert found.upkeep.memory == 5
    assert set(found.brokers) == {"default"}
    assert found.sources["docker"].config.url == "tcp://nas:2375"


def test_docker_host_is_for_the_source_called_docker() -> None:
    text = "version: 1\nsources: {docker: {type: docker}, nas: {type: docker}}\n"
    found = loaded(text, environment={"DOCKER_HOST": "tcp://nas:2375"}).sources
    assert found["docker"].config.url == "tcp://nas:2375"
    assert found["nas"].config.url == "unix:///var/run/docker.sock"


def test_options_stand_above_the_file() -> None:
    text = "version: 1\nstore: {path: here}\napi: {listen: '0.0.0.0:1'}\n"
    found = loaded(text, environment={"LOG_DIR": "/there"}, data="/data", listen="[::1]:0")
    assert found.store.path == Path("/data")
    assert (found.api.host, found.api.port) == ("::1", 0)


@pytest.mark.parametrize(
    ("environment", "told", "source"),
    [
        ({"MQTT_BROKER": "http://nas"}, "MQTT_BROKER: http:// is not supp", "MQTT_BROKER=http"),
        ({"MQTT_TOPIC": "a/{ap}"}, "MQTT_TOPIC: unknown placeholder", "MQTT_TOPIC=a/{ap}"),
        ({"MQTT_BATCH": "0"}, "MQTT_BATCH: expected a whole number", "MQTT_BATCH=0"),
        ({"MQTT_BATCH": "some"}, "MQTT_BATCH: expected a whole number", "MQTT_BATCH=some"),
        ({"MQTT_BATCH_INTERVAL": "soon"}, "MQTT_BATCH_INTERVAL: expected a dur", "MQTT_BATCH_INT"),
        ({"MQTT_PASSWORD": "hunter2"}, "MQTT_PASSWORD: a password needs", "MQTT_PASSWORD=***"),
    ],
)
def test_a_bad_variable_is_told_by_its_name(
    environment: dict[str, str], told: str, source: str
) -> None:
    (found,) = problems(FILE, environment={"MQTT_BROKER": "nas"} | environment)
    assert found.text.startswith(told)
    assert found.source.startswith(source)


def test_a_bad_option_is_told_by_its_name() -> None:
    (found,) = problems(FILE, listen="8099")
    assert (found.text[:10], found.file, found.source) == ("--listen: ", "", "--listen 8099")


def test_sections_that_are_no_mappings_are_told_and_not_filled_in() -> None:
    environment = {"MQTT_BROKER": "nas", "LOG_DIR": "x"}
    text = "version: 1\nbrokers: []\nbackends: no\nstore: 5\ndevice: me\n"
    assert {found.path[0] for found in problems(text, environment=environment)} >= {
        "brokers",
        "backends",
        "store",
        "device",
    }
