"""A running Towline that follows a repository over https and ssh, with what it needs as secrets."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.git_app_rig import in_force, running, shown
from tests.integration.gitops_rig import Repository, http, settings
from tests.real.broker import free_port
from tests.real.certificates import Authority
from tests.real.ssh import Sshd
from tests.real.until import auntil
from towline.gitops.access import Access

TOKEN = "t0ken-that-nobody-may-see"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "origin"
    folder.mkdir()
    return Repository(folder)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "own")


@pytest.fixture
def https(authority: Authority, repository: Repository) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    with http(repository.bare.parent, token=TOKEN, tls=context) as server:
        yield f"{server}/fleet.git"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("ssh") / "d") as running:
        yield running


def own_file(folder: Path, git: dict[str, str], secrets: dict[str, str]) -> Path:
    """The file that Towline is started with, and its secrets beside it."""
    folder.mkdir(exist_ok=True)
    lines = [f"  {key}: {value}\n" for key, value in git.items()]
    file = folder / "towline.yaml"
    file.write_text(
        "version: 1\ndevice: {id: pi}\nsources: {}\ngit:\n  interval: 24h\n" + "".join(lines)
    )
    (folder / "secrets.yaml").write_text(json.dumps(secrets))
    (folder / "secrets.yaml").chmod(0o600)
    return file


async def follows(file: Path, data: Path, repository: Repository, secret: str) -> None:
    """Whether commits are applied, and the secret is nowhere to be seen."""
    first = repository.memory(1)
    address = f"127.0.0.1:{free_port()}"
    async with running(file, data, address) as towline:
        await in_force(towline, first)
        second = repository.memory(2)
        assert (await towline.reload())["changed"] == ["retention"]
        await in_force(towline, second)
        async with httpx.AsyncClient(base_url=f"http://{address}/api/v1") as client:
            for path in ("status", "config", "config/history", "logs"):
                answer = await client.get(f"/{path}")
                assert answer.status_code == 200
                assert secret not in answer.text


@pytest.mark.parametrize("as_text", [False, True], ids=["path", "text"])
async def test_https_with_an_authority_of_its_own_and_a_token_from_the_secrets(
    https: str, authority: Authority, repository: Repository, tmp_path: Path, as_text: bool
) -> None:
    secrets = {"git_token": TOKEN, "ca": authority.ca.read_text()}
    ca = "!secret ca" if as_text else authority.ca.name
    git = {"url": https, "token": "!secret git_token", "ca": ca}
    file = own_file(tmp_path / "own", git, secrets)
    await follows(file, tmp_path / "data", repository, TOKEN)


@pytest.mark.parametrize(
    ("ca", "reason"),
    [
        ("", "the server's certificate is not trusted"),
        ("other.pem", "the server's certificate is not trusted"),
        ("none.pem", "the file of ca cannot be read, or holds no certificate"),
    ],
    ids=["machine", "other", "missing"],
)
async def test_https_with_an_authority_that_is_not_trusted_says_so(
    https: str, repository: Repository, tmp_path: Path, ca: str, reason: str
) -> None:
    repository.memory(1)
    Authority(tmp_path / "own", "other")
    git = {"url": https, "token": "!secret git_token", "ca": json.dumps(ca)}
    file = own_file(tmp_path / "own", git, {"git_token": TOKEN})
    async with running(file, tmp_path / "data") as towline:
        await auntil(lambda: shown(towline)["state"] == "unreachable")
        assert shown(towline)["says"] == f"{reason}; no commit runs yet"


async def test_ssh_with_a_key_from_the_secrets(
    repository: Repository, sshd: Sshd, tmp_path: Path
) -> None:
    key = sshd.key().reveal()
    git = {
        "url": sshd.url(repository.bare),
        "key": "!secret git_key",
        "known_hosts": json.dumps(sshd.known_hosts),
    }
    file = own_file(tmp_path / "own", git, {"git_key": key})
    await follows(file, tmp_path / "data", repository, key.splitlines()[2])


def test_ssh_offers_the_given_key_and_no_other(sshd: Sshd, tmp_path: Path) -> None:
    wanted = settings("git@host.example:fleet.git", key=sshd.key())
    access = Access(wanted, tmp_path / "private", tmp_path / "known_hosts")
    access.write()
    command = ["ssh", "-F", str(access.folder / "ssh_config"), "-G", "git@host.example"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    said = [line.partition(" ")[::2] for line in done.stdout.splitlines()]
    keys = [value for name, value in said if name == "identityfile"]
    assert keys == [str(access.folder / "key")]
    for promise in (
        ("identitiesonly", "yes"),
        ("identityagent", "none"),
        ("batchmode", "yes"),
        ("forwardagent", "no"),
        ("stricthostkeychecking", "accept-new"),
    ):
        assert promise in said
