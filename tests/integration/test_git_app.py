"""A running Towline that follows a repository: commits are applied live, faulty ones are not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gitops_rig import FILE, Repository
from tests.real.broker import Broker, free_port
from tests.real.listener import Listener
from tests.real.until import auntil
from towline.app import Towline
from towline.config.environment import Overrides
from towline.errors import ConfigError, EditError
from towline.runtime.configuration import Options
from towline.store.query import Query


def followed(broker: Broker, topic: str) -> str:
    return f"""version: 1
sources:
  demo: {{type: demo, interval: 50ms}}
brokers:
  home: {{servers: ["{broker.url}"], password: !secret password, username: us}}
backends:
  one: {{type: mqtt, broker: home, topic: "{topic}/{{level}}"}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def bootstrap(tmp_path: Path, repository: Repository) -> Path:
    file = tmp_path / "own" / "towline.yaml"
    file.parent.mkdir()
    (file.parent / "secrets.yaml").write_text("password: hidden\n")
    git = f'git: {{url: "{repository.url}", interval: 24h}}'
    file.write_text(f"version: 1\ndevice: {{id: pi}}\nsources: {{}}\n{git}\n")
    return file


@asynccontextmanager
async def running(file: Path, data: Path, listen: str | None = "") -> AsyncIterator[Towline]:
    address = f"127.0.0.1:{free_port()}" if listen == "" else listen
    overrides = Overrides(data=str(data), listen=address)
    environment = {"PATH": os.environ["PATH"]}
    towline = Towline(Options(file=file, environment=environment, overrides=overrides))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(towline.run())
        await auntil(lambda: hasattr(towline, "store") and "api" in towline.status())
        yield towline
        towline.stop()


def shown(towline: Towline) -> dict[str, Any]:
    found: dict[str, Any] = towline.status()["git"]["git"]
    return found


async def in_force(towline: Towline, commit: str) -> None:
    await auntil(lambda: shown(towline)["running"] == commit)
    await auntil(lambda: shown(towline)["state"] == "in sync")


def arrived(listener: Listener, topic: str) -> bool:
    return any(message.topic.startswith(topic + "/") for message in list(listener.messages))


async def told(towline: Towline) -> list[str]:
    query = Query(text="repository ", limit=100)
    return [record.message for record in (await towline.store.query(query)).records]


async def test_a_commit_is_applied_live_with_secrets_of_the_own_folder(
    broker: Broker, bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    with broker.listen("git/#") as listener:
        first = repository.commit({FILE: followed(broker, "git/first")}, "the first")
        async with running(bootstrap, tmp_path / "data") as towline:
            await in_force(towline, first)
            await auntil(lambda: arrived(listener, "git/first"))
            assert towline.device.id == "pi"
            source = towline.parts()["sources.demo"]
            second = repository.commit({FILE: followed(broker, "git/second")})
            await towline.reload()
            await in_force(towline, second)
            await auntil(lambda: arrived(listener, "git/second"))
            assert towline.parts()["sources.demo"] is source
            assert towline.status()["git"]["state"] == "up"
            assert any(first[:10] in text and "the first" in text for text in await told(towline))


async def test_until_the_first_commit_the_own_file_runs(
    broker: Broker, bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    async with running(bootstrap, tmp_path / "data") as towline:
        await auntil(lambda: shown(towline)["state"] == "branch gone")
        assert "sources.demo" not in towline.parts()
        first = repository.commit({FILE: followed(broker, "git/late")})
        await towline.reload()
        await in_force(towline, first)
        assert "sources.demo" in towline.parts()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("stroe: {}\n", "stroe"),
        ("store: {persist: false}\n", "store.persist"),
        ('git: {url: "file:///elsewhere"}\n', "git"),
        ('api: {listen: "127.0.0.1:1", tokens: 3}\n', "list"),
    ],
)
async def test_a_faulty_commit_is_not_applied_and_the_status_says_why(
    broker: Broker,
    bootstrap: Path,
    repository: Repository,
    tmp_path: Path,
    more: str,
    reason: str,
) -> None:
    good = followed(broker, "git/good")
    first = repository.commit({FILE: good})
    async with running(bootstrap, tmp_path / "data") as towline:
        await in_force(towline, first)
        parts = towline.parts()
        bad = repository.commit({FILE: good + more})
        await towline.reload()
        await auntil(lambda: shown(towline)["state"] == "invalid")
        assert (shown(towline)["running"], shown(towline)["wanted"]) == (first, bad)
        [problem] = shown(towline)["problems"]
        assert problem["file"] == FILE
        assert reason in problem["message"]
        assert towline.status()["git"]["state"] == "degraded"
        assert towline.parts() == parts
        assert towline.config_text() == good
        await auntil(lambda: towline.status()["configuration"]["state"] == "up")


async def test_a_commit_that_cannot_be_opened_is_taken_back(
    broker: Broker, bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    api = f'api: {{listen: "127.0.0.1:{free_port()}"}}\n'
    bootstrap.write_text(bootstrap.read_text() + api)
    good = followed(broker, "git/rolled") + api
    first = repository.commit({FILE: good})
    async with running(bootstrap, tmp_path / "data", None) as towline:
        await in_force(towline, first)
        taken = f'api: {{listen: "127.0.0.1:{broker.port}"}}\n'
        repository.commit({FILE: good.replace(api, taken)})
        await towline.reload()
        await auntil(lambda: shown(towline)["state"] == "invalid")
        [problem] = shown(towline)["problems"]
        assert problem["code"] == "rolled_back"
        assert shown(towline)["running"] == first
        assert towline.config_text() == good


async def test_the_configuration_cannot_be_put_and_git_not_changed_while_it_is_followed(
    broker: Broker, bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    first = repository.commit({FILE: followed(broker, "git/put")})
    async with running(bootstrap, tmp_path / "data") as towline:
        await in_force(towline, first)
        with pytest.raises(EditError) as refused:
            await towline.edit(b"version: 1\n", "*", "ada")
        assert refused.value.code == "read_only"
        bootstrap.write_text(bootstrap.read_text().replace("24h", "23h"))
        with pytest.raises(ConfigError) as changed:
            await towline.reload()
        assert [problem.code for problem in changed.value.problems] == ["restart_required"]


async def test_a_start_without_the_remote_runs_the_last_tree_and_puts_edits_back(
    broker: Broker, bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    text = followed(broker, "git/kept")
    first = repository.commit({FILE: text})
    async with running(bootstrap, data) as towline:
        await in_force(towline, first)
    repository.bare.rename(tmp_path / "away.git")
    (data / "config-git" / "current" / FILE).write_text("version: 1\nsources: {}\n")
    with broker.listen("git/kept/#") as listener:
        async with running(bootstrap, data) as towline:
            assert "sources.demo" in towline.parts()
            assert towline.config_text() == text
            await auntil(lambda: arrived(listener, "git/kept"))
            await auntil(lambda: shown(towline)["state"] == "unreachable")
            assert shown(towline)["running"] == first
