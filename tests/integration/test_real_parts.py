"""The real parts that the other tests stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.broker import ACCEPTED, REFUSED, SILENT, Broker, free_port, greeting
from tests.real.containers import Containers
from tests.real.engine import Engine, answers
from tests.real.process import NotStarted, alive


def test_a_containers_log_reads_back_by_stream(containers: Containers) -> None:
    name = containers.run("echo to stdout; echo to stderr >&2; exit 3")
    assert containers.wait(name) == 3
    assert containers.logs(name) == (b"to stdout\n", b"to stderr\n")


def test_a_container_carries_its_name_labels_and_log_options(containers: Containers) -> None:
    labels = {"com.docker.compose.service": "web"}
    options = {"max-size": "1m", "max-file": "2"}
    containers.run("sleep 60", name="real-web", labels=labels, log_options=options)
    form = "{{.Name}} {{.Config.Labels}} {{.HostConfig.LogConfig}}"
    name, *rest = containers.cli("inspect", "--format", form, "real-web").split()
    assert name == "/real-web"
    assert rest == [
        "map[com.docker.compose.service:web]",
        "{json-file",
        "map[max-file:2",
        "max-size:1m]}",
    ]


def test_removed_containers_are_gone(containers: Containers) -> None:
    name = containers.run("sleep 60")
    containers.clean()
    assert name not in containers.cli("ps", "--all", "--quiet", "--no-trunc")


def test_containers_outlive_a_killed_engine_and_end_with_a_stopped_one(tmp_path: Path) -> None:
    engine = Engine(tmp_path, live_restore=True)
    with engine:
        engine.image()
        helper = Containers(engine.host)
        name = helper.run("echo before; sleep 600")
        pid = int(helper.cli("inspect", "--format", "{{.State.Pid}}", name))
        engine.kill()
        assert not answers(engine.host)
        engine.start()
        assert alive(pid)
        assert helper.logs(name)[0] == b"before\n"
        engine.kill()
    assert not alive(pid)


def test_an_engine_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="no-such-option"):
        Engine(tmp_path, options=["--no-such-option"]).start()


def test_the_broker_delivers_a_message_as_it_was(broker: Broker) -> None:
    with broker.listen("real/#") as listener:
        broker.publish("real/a b", "first\nsecond ü")
        message = listener.expect(1)[0]
    assert (message.topic, message.payload.decode()) == ("real/a b", "first\nsecond ü")


def test_a_broker_comes_back_on_the_same_port_with_its_retained_messages(tmp_path: Path) -> None:
    with Broker(tmp_path) as broker:
        port = broker.port
        broker.publish("kept", "still here", retain=True)
        broker.restart()
        assert greeting("127.0.0.1", port) == ACCEPTED
        with broker.listen("kept") as listener:
            assert listener.expect(1)[0].payload == b"still here"
        broker.kill()
        assert greeting("127.0.0.1", port) == SILENT


def test_a_broker_with_users_refuses_strangers(tmp_path: Path) -> None:
    with Broker(tmp_path, users={"ann": "secret"}) as broker:
        assert greeting("127.0.0.1", broker.port) == REFUSED
        known = greeting("127.0.0.1", broker.port, username="ann", password="secret")
        assert known == ACCEPTED


def test_nothing_greets_where_no_broker_is() -> None:
    assert greeting("127.0.0.1", free_port()) == SILENT
