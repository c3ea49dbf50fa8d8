"""Repositories over http and ssh: who may read, what is told, and what is never shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gitops_rig import (
    Follower,
    Repository,
    command_lines,
    http,
    settings,
    whole,
)
from tests.real.ssh import Sshd
from towline.config.settings import Secret

TOKEN = "t0ken-that-nobody-may-see"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "origin"
    folder.mkdir()
    return Repository(folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("ssh") / "d") as running:
        yield running


@pytest.mark.parametrize("smart", [True, False], ids=["smart", "dumb"])
async def test_http_with_a_token_is_followed(
    repository: Repository, data: Path, smart: bool
) -> None:
    repository.memory(1)
    with http(repository.bare.parent, token=TOKEN, smart=smart) as server:
        wanted = settings(f"{server}/fleet.git", token=Secret(TOKEN))
        async with Follower(data, wanted).sync as sync:
            assert (await sync.sync_now())["state"] == "in sync"
            tip = repository.memory(2)
            assert (await sync.sync_now())["running"] == tip
    assert whole(data, repository) == tip


async def test_the_user_of_the_address_goes_with_the_token(
    repository: Repository, data: Path
) -> None:
    repository.memory(1)
    users: list[str] = []
    with http(repository.bare.parent, token=TOKEN, asked=users.append) as server:
        url = server.replace("//", "//deploy-bot@") + "/fleet.git"
        async with Follower(data, settings(url, token=Secret(TOKEN))).sync as sync:
            assert (await sync.sync_now())["state"] == "in sync"
    assert f"deploy-bot:{TOKEN}" in users


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (None, "not authorised: a token is needed"),
        (Secret("wr0ng-token"), "not authorised: check the token"),
    ],
    ids=["none", "wrong"],
)
async def test_http_without_the_right_token_says_so(
    repository: Repository, data: Path, token: Secret | None, reason: str
) -> None:
    repository.memory(1)
    with http(repository.bare.parent, token=TOKEN) as server:
        async with Follower(data, settings(f"{server}/fleet.git", token=token)).sync as sync:
            status = await sync.sync_now()
    assert (status["state"], status["lastError"]) == ("unreachable", reason)
    assert "wr0ng-token" not in str(status)


async def test_a_server_that_is_down_or_lacks_the_repository_is_told_apart(
    repository: Repository, data: Path
) -> None:
    repository.memory(1)
    with http(repository.bare.parent, smart=False) as server:
        async with Follower(data, settings(f"{server}/none.git")).sync as sync:
            assert (await sync.sync_now())["lastError"] == "there is no such repository"
    async with Follower(data, settings(f"{server}/fleet.git")).sync as sync:
        assert (await sync.sync_now())["lastError"] == "connection refused"


async def test_the_token_is_nowhere_but_with_the_server(
    repository: Repository, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    repository.memory(1)
    seen: list[str] = []

    def look(credentials: str) -> None:
        if TOKEN in credentials:
            seen.append(command_lines())

    shown: list[Any] = []
    with http(repository.bare.parent, token=TOKEN, asked=look) as server:
        wanted = settings(f"{server}/fleet.git", token=Secret(TOKEN))
        follower = Follower(data, wanted)
        async with follower.sync as sync:
            shown.append(await sync.sync_now())
            files = [path for path in data.rglob("*") if path.is_file()]
            assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
    async with Follower(data, wanted).sync as sync:
        shown.append(await sync.sync_now())
    assert [status["state"] for status in shown] == ["in sync", "unreachable"]
    assert seen
    assert all("remote-http" in lines and TOKEN not in lines for lines in seen)
    assert TOKEN not in str([shown, follower.told, wanted, sync.health.as_json()])
    assert TOKEN not in str([vars(record) for record in caplog.records])


async def test_a_redirect_to_another_server_does_not_get_the_token(
    repository: Repository, data: Path
) -> None:
    repository.memory(1)
    heard: list[str] = []
    with (
        http(repository.bare.parent, token=TOKEN, asked=heard.append) as elsewhere,
        http(repository.bare.parent, moved_to=elsewhere) as server,
    ):
        wanted = settings(f"{server}/fleet.git", token=Secret(TOKEN))
        async with Follower(data, wanted).sync as sync:
            status = await sync.sync_now()
    assert status["state"] == "unreachable"
    assert heard
    assert not any(TOKEN in credentials for credentials in heard)


async def test_ssh_with_a_key_and_a_known_host_is_followed(
    repository: Repository, data: Path, sshd: Sshd
) -> None:
    repository.memory(1)
    wanted = settings(sshd.url(repository.bare), key=sshd.key(), known_hosts=sshd.known_hosts)
    async with Follower(data, wanted).sync as sync:
        private = data / "config-git" / "private"
        assert private.stat().st_mode & 0o777 == 0o700
        assert (private / "key").stat().st_mode & 0o777 == 0o600
        assert (await sync.sync_now())["state"] == "in sync"
        tip = repository.memory(2)
        assert (await sync.sync_now())["running"] == tip
    assert whole(data, repository) == tip
    assert not private.exists()


async def test_without_known_hosts_the_first_key_of_a_server_is_kept(
    repository: Repository, data: Path, sshd: Sshd
) -> None:
    repository.memory(1)
    wanted = settings(sshd.url(repository.bare), key=sshd.key())
    async with Follower(data, wanted).sync as sync:
        assert (await sync.sync_now())["state"] == "in sync"
    assert "127.0.0.1" in (data / "config-git" / "known_hosts").read_text()
    sshd.new_host_key()
    async with Follower(data, wanted).sync as sync:
        status = await sync.sync_now()
    assert status["state"] == "unreachable"
    assert status["lastError"] == "the server's host key has changed"


async def test_a_host_that_is_not_known_is_not_spoken_to(
    repository: Repository, data: Path, sshd: Sshd
) -> None:
    wanted = settings(
        sshd.url(repository.bare),
        key=sshd.key(),
        known_hosts=sshd.known_hosts.replace("127.0.0.1", "192.0.2.1"),
    )
    async with Follower(data, wanted).sync as sync:
        status = await sync.sync_now()
    assert status["lastError"] == "the server's host key is not among known_hosts"


async def test_a_key_that_the_server_does_not_know_or_that_is_none_says_so(
    repository: Repository, data: Path, sshd: Sshd
) -> None:
    wanted = settings(
        sshd.url(repository.bare), key=sshd.key("stranger"), known_hosts=sshd.known_hosts
    )
    async with Follower(data, wanted).sync as sync:
        assert (await sync.sync_now())["lastError"] == "not authorised: check the key"
    wanted = settings(sshd.url(repository.bare), key=Secret("no key"), known_hosts=sshd.known_hosts)
    async with Follower(data, wanted).sync as sync:
        status = await sync.sync_now()
    assert status["lastError"] == "the key is not a private key that ssh can read"


async def test_a_folder_with_odd_signs_in_its_name_works_over_ssh(
    repository: Repository, tmp_path: Path, sshd: Sshd
) -> None:
    repository.memory(1)
    data = tmp_path / "it's 100% $HOME"
    wanted = settings(sshd.url(repository.bare), key=sshd.key(), known_hosts=sshd.known_hosts)
    async with Follower(data, wanted).sync as sync:
        assert (await sync.sync_now())["state"] == "in sync"
