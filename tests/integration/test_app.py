"""The whole program in one process: real containers, a real broker, a file that is edited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.real.broker import Broker, free_port
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.listener import Listener
from tests.real.until import auntil
from towline.app import Towline
from towline.config.environment import Overrides
from towline.config.settings import Match
from towline.errors import StartError, StoreError
from towline.runtime.configuration import Options
from towline.store.query import Query

NUMBERS = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.01; done"


def text(engine: Engine, broker: Broker, backends: str, *, more: str = "") -> str:
    return f"""version: 1
device: {{id: pi}}
sources:
  docker: {{type: docker, url: "{engine.host}"}}
brokers:
  home: {{servers: ["{broker.url}"]}}
backends:
{backends}
{more}"""


@asynccontextmanager
async def running(file: Path | None, data: Path, **environment: str) -> AsyncIterator[Towline]:
    overrides = Overrides(data=str(data), listen=f"127.0.0.1:{free_port()}")
    towline = Towline(Options(file=file, environment=environment, overrides=overrides))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(towline.run())
        await auntil(lambda: hasattr(towline, "store") and "api" in towline.status())
        yield towline
        towline.stop()


def numbers(rows: list[str]) -> list[int]:
    return [int(row.split()[1]) for row in rows if row.startswith("line ")]


def messages(listener: Listener, base: str) -> list[str]:
    found: list[str] = []
    for message in list(listener.messages):
        if message.topic.startswith(base + "/"):
            body = message.json()
            found += [row["message"] for row in body.get("logs", [body])]
    return found


async def stored(towline: Towline, container: str) -> list[int]:
    query = Query(match=Match(container=(container,)), limit=10_000, newest_first=False)
    return numbers([record.message for record in (await towline.store.query(query)).records])


async def test_a_line_reaches_store_and_broker_in_single_messages_and_in_batches(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    file = tmp_path / "towline.yaml"
    one = '  one: {type: mqtt, broker: home, topic: "first/one/{service}/{level}"}\n'
    many = one.replace("one", "many").replace("}\n", ", batch: {max_age: 100ms}}")
    backends = one + many
    file.write_text(text(engine, broker, backends))
    with broker.listen("first/#") as listener:
        async with running(file, tmp_path / "data") as towline:
            containers.run(NUMBERS, name="first-light")
            await auntil(lambda: len(messages(listener, "first/many")) > 50)
            await auntil(lambda: len(messages(listener, "first/one")) > 50)
            assert any(message.topic.endswith("/info/batch") for message in listener.messages)
            found = await stored(towline, "first-light")
            assert found == list(range(1, len(found) + 1))
    for base in ("first/one", "first/many"):
        arrived = numbers(messages(listener, base))
        assert arrived == list(range(1, len(arrived) + 1))


async def test_an_edit_changes_one_backend_and_touches_nothing_else(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    file = tmp_path / "towline.yaml"
    keep = '  keep: {type: mqtt, broker: home, topic: "edit/keep/{service}/{level}"}'
    file.write_text(text(engine, broker, keep))
    name = "edited"
    containers.run(NUMBERS, name=name)
    with broker.listen("edit/#") as listener:
        async with running(file, tmp_path / "data") as towline:
            await auntil(lambda: messages(listener, "edit/keep"))
            parts = towline.parts()
            new = '\n  new: {type: mqtt, broker: home, topic: "edit/new/{service}/{level}"}'
            file.write_text(text(engine, broker, keep + new))
            await auntil(lambda: messages(listener, "edit/new"))
            assert {key: towline.parts()[key] for key in parts} == parts
            moved = new.replace("edit/new", "edit/moved")
            file.write_text(text(engine, broker, keep + moved))
            await auntil(lambda: messages(listener, "edit/moved"))
            file.write_text(text(engine, broker, keep))
            await auntil(lambda: "backends.new" not in towline.parts())
            assert towline.parts() == parts
            found = await stored(towline, name)
    assert found == list(range(1, len(found) + 1))
    kept = numbers(messages(listener, "edit/keep"))
    assert kept == list(range(1, len(kept) + 1))
    assert kept[-1] >= found[-1]
    handed_over = numbers(messages(listener, "edit/new") + messages(listener, "edit/moved"))
    assert handed_over == list(range(handed_over[0], handed_over[-1] + 1))


async def test_a_broken_file_is_refused_and_all_goes_on(
    engine: Engine, broker: Broker, tmp_path: Path
) -> None:
    file = tmp_path / "towline.yaml"
    keep = '  keep: {type: mqtt, broker: home, topic: "broken/{service}/{level}"}'
    file.write_text(text(engine, broker, keep))
    async with running(file, tmp_path / "data") as towline:
        parts = towline.parts()
        file.write_text(text(engine, broker, keep.replace("topic", "topik")))
        await auntil(lambda: towline.status()["configuration"]["state"] == "degraded")
        assert "topik" in towline.status()["configuration"]["reason"]
        assert towline.parts() == parts
        file.write_text(text(engine, broker, keep))
        await auntil(lambda: towline.status()["configuration"]["state"] == "up")
        assert towline.parts() == parts


async def test_a_part_that_cannot_open_rolls_the_whole_change_back(
    engine: Engine, broker: Broker, tmp_path: Path
) -> None:
    file = tmp_path / "towline.yaml"
    keep = '  keep: {type: mqtt, broker: home, topic: "rolled/{service}/{level}"}'
    file.write_text(text(engine, broker, keep))
    environment = Options(
        file=file, environment={}, overrides=Overrides(data=str(tmp_path / "data"))
    )
    towline = Towline(environment)
    first, taken = free_port(), broker.port
    file.write_text(text(engine, broker, keep, more=f'api: {{listen: "127.0.0.1:{first}"}}\n'))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(towline.run())
        await auntil(lambda: hasattr(towline, "store") and "api" in towline.status())
        parts = towline.parts()
        changed = keep + '\n  more: {type: mqtt, broker: home, topic: "rolled/x/{level}"}'
        file.write_text(
            text(engine, broker, changed, more=f'api: {{listen: "127.0.0.1:{taken}"}}\n')
        )
        outcome = await towline.reload_file()
        assert "rolled back" in str(outcome)
        assert f"127.0.0.1:{taken} is taken" in str(outcome)
        assert towline.parts() == parts
        towline.stop()


async def test_a_broker_that_is_down_delays_nothing_and_gets_everything_later(
    engine: Engine, containers: Containers, tmp_path: Path
) -> None:
    late = Broker(tmp_path / "late")
    file = tmp_path / "towline.yaml"
    file.write_text(
        text(engine, late, '  all: {type: mqtt, broker: home, topic: "late/{service}"}')
    )
    async with running(file, tmp_path / "data") as towline:
        containers.run("for i in $(seq 1 500); do echo line $i; done", name="early-bird")
        while len(await stored(towline, "early-bird")) < 500:
            await towline.store.appended()
        assert towline.status()["backends.all"]["state"] != "up"
        with late as broker, broker.listen("late/#") as listener:
            await auntil(lambda: len(numbers(messages(listener, "late"))) >= 500, 40)
    assert sorted(set(numbers(messages(listener, "late")))) == list(range(1, 501))


async def test_the_environment_alone_adds_a_broker_and_the_backend(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    environment = {
        "DOCKER_HOST": engine.host,
        "MQTT_BROKER": f"127.0.0.1:{broker.port}",
        "MQTT_TOPIC": "environment/logs/{app}/{service}/{level}",
        "MQTT_BATCH": "true",
        "MQTT_BATCH_INTERVAL": "0.1",
    }
    with broker.listen("environment/#") as listener:
        async with running(None, tmp_path / "data", **environment):
            containers.run("echo hello from here", name="envy")
            await auntil(lambda: "hello from here" in messages(listener, "environment"))
    assert any(message.topic.endswith("/envy/info/batch") for message in listener.messages)


async def test_a_taken_port_ends_the_start_with_clear_words(broker: Broker, tmp_path: Path) -> None:
    overrides = Overrides(data=str(tmp_path / "data"), listen=f"127.0.0.1:{broker.port}")
    towline = Towline(Options(file=None, environment={}, overrides=overrides))
    with pytest.raises(StartError, match=f"127.0.0.1:{broker.port} is taken"):
        await towline.run()


async def test_a_data_folder_that_cannot_be_used_ends_the_start_with_clear_words(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").write_text("a file, no folder")
    towline = Towline(
        Options(file=None, environment={}, overrides=Overrides(data=str(tmp_path / "data")))
    )
    with pytest.raises(StoreError, match="cannot use the data folder"):
        await towline.run()


async def test_a_change_that_makes_a_healthy_backend_fail_is_taken_back(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    file = tmp_path / "towline.yaml"
    keep = '  keep: {type: mqtt, broker: home, topic: "probation/{service}"}'
    good = text(engine, broker, keep, more="apply: {watch: 1s}\n")
    file.write_text(good)
    with broker.listen("probation/#") as listener:
        async with running(file, tmp_path / "data") as towline:
            containers.run(NUMBERS, name="probation")
            await auntil(lambda: messages(listener, "probation"))
            file.write_text(good.replace(broker.url, f"mqtt://127.0.0.1:{free_port()}"))
            outcome = await towline.reload_file("test")
            assert "rolled back" in str(outcome)
            assert towline.status()["configuration"]["state"] == "degraded"
            seen = len(messages(listener, "probation"))
            await auntil(lambda: len(messages(listener, "probation")) > seen + 50)
            found = await stored(towline, "probation")
    assert found == list(range(1, len(found) + 1))
    assert set(numbers(messages(listener, "probation"))) >= set(found)
