"""Engines on other machines: over TLS that both sides verify, and behind ssh."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.docker_watch import Watch
from tests.real.broker import free_port
from tests.real.certificates import Authority
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.process import Process
from tests.real.ssh import Sshd
from tests.real.until import auntil, until
from towline.config.settings import Secret
from towline.config.tls import Tls
from towline.status import State

pytestmark = pytest.mark.docker

SAY = "echo one; echo two; echo three >&2; sleep 600"


class Remote:
    """An engine that speaks TLS at a port, with the authority both sides trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.stranger = Authority(folder / "stranger", "stranger")
        self.port = free_port()
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.show("server")
        self.client = self.authority.issue("client")
        options = (
            "--tlsverify",
            f"--tlscacert={self.authority.ca}",
            f"--tlscert={folder / 'shown.crt'}",
            f"--tlskey={folder / 'shown.key'}",
            f"--host=tcp://127.0.0.1:{self.port}",
        )
        self.engine = Engine(folder / "engine", options=options)

    def show(self, name: str, hosts: tuple[str, ...] = ("127.0.0.1",), **more: bool) -> None:
        """Have the engine show such a certificate, from its next start on."""
        for path in self.authority.issue(name, hosts, **more):
            shutil.copy(path, self.folder / f"shown{path.suffix}")

    def tls(self, **changed: str | bool) -> Tls:
        cert, key = self.client
        wanted = {"ca": "authority.pem", "cert": cert.name, "key": key.name, "verify": True}
        found = {**wanted, **changed}
        return Tls(**{**found, "key": Secret(str(found["key"]))})  # type: ignore[arg-type]

    def watch(self, **changed: str | bool) -> Watch:
        """A source that reads it."""
        return Watch("", url=self.url, folder=self.folder, tls=self.tls(**changed))


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    found = Remote(tmp_path_factory.mktemp("remote"))
    with found.engine as engine:
        engine.image()
        yield found


async def reason(watch: Watch) -> str:
    """Why the source does not reach its engine."""
    async with watch.running():
        await auntil(lambda: watch.source.health.state == State.DEGRADED, 60)
        return watch.source.health.reason


async def test_an_engine_over_tls_is_read_and_controlled(remote: Remote) -> None:
    containers = Containers(remote.engine.host)
    name = "over-tls"
    containers.run(SAY, name=name)
    watch = remote.watch()
    try:
        async with watch.running():
            await auntil(lambda: len(watch.texts(name)) == 3, 30)
            await watch.source.control(name, "restart")
            await auntil(lambda: watch.texts(name).count("one") == 2, 30)
            await auntil(lambda: f"Container {name} exited with code 137" in watch.said(), 30)
    finally:
        containers.clean()
    assert watch.gaps(name) == []
    assert [line.seq for line in watch.lines(name)] == list(range(1, 7))


async def test_an_engine_that_comes_back_with_another_certificate_is_read_on(
    tmp_path: Path,
) -> None:
    remote = Remote(tmp_path)
    with remote.engine as engine:
        engine.image()
        Containers(engine.host).run("echo up; sleep 600", name="web", restart="always")
        watch = remote.watch()
        async with watch.running():
            await watch.until("web", "up")
            await asyncio.to_thread(engine.stop)
            remote.show("expired", expired=True)
            await asyncio.to_thread(engine.start)
            health = watch.source.health
            await auntil(lambda: "certificate has expired" in health.reason, 60)
            await asyncio.to_thread(engine.stop)
            remote.show("elsewhere", ("nas.example",))
            await asyncio.to_thread(engine.start)
            await auntil(lambda: "not valid for '127.0.0.1'" in health.reason, 60)
            await asyncio.to_thread(engine.stop)
            remote.show("server")
            await asyncio.to_thread(engine.start)
            await watch.until_up(60)
            await auntil(lambda: watch.texts("web").count("up") == 4, 60)
        assert watch.gaps("web") == []


async def test_a_certificate_of_ours_that_is_renewed_counts_from_the_next_connection_on(
    remote: Remote,
) -> None:
    for path in remote.stranger.issue("renewed"):
        shutil.copy(path, remote.folder / path.name)
    watch = remote.watch(cert="renewed.crt", key="renewed.key")
    async with watch.running():
        health = watch.source.health
        await auntil(lambda: "our certificate" in health.reason, 30)
        for path in remote.authority.issue("renewed"):
            assert path.parent == remote.folder
        await watch.until_up(60)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cert": "", "key": ""}, "our certificate (tls.cert, tls.key)"),
        ({"ca": ""}, "certificate not accepted: "),
        ({"ca": "gone.pem"}, "tls.ca cannot be read: no such file or directory"),
    ],
)
async def test_what_is_wrong_with_tls_is_said(
    remote: Remote, changed: dict[str, str], words: str
) -> None:
    told = await reason(remote.watch(**changed))
    assert words in told
    assert remote.url in told


async def test_plain_words_to_an_engine_that_speaks_tls_are_answered_with_a_reason(
    remote: Remote,
) -> None:
    assert "HTTPS" in await reason(Watch("", url=remote.url))


async def test_tls_to_what_does_not_speak_it_is_told(remote: Remote) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        watch = Watch("", url=f"tcp://127.0.0.1:{port}", folder=remote.folder, tls=remote.tls())
        assert "TLS is not spoken there" in await reason(watch)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    writer.close()


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("ssh") / "sshd") as running:
        yield running


def over(sshd: Sshd, path: Path | str, key: str = "user", **changed: str) -> Watch:
    """A source that reads the engine whose socket is there, by ssh."""
    reach: dict[str, Any] = {"key": sshd.key(key), "known_hosts": sshd.known_hosts, **changed}
    return Watch("", url=sshd.url(Path(path)), **reach)


def tunnels() -> list[str]:
    """Processes of ssh that bring a socket here."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0] == "ssh" and any("towline-ssh-" in word for word in words):
            found.append(path.parent.name)
    return found


async def test_an_engine_behind_ssh_is_read_over_one_login(
    engine: Engine, containers: Containers, sshd: Sshd
) -> None:
    names = [f"behind-ssh-{number}" for number in range(12)]  # sshd has ten sessions a login
    for name in names:
        containers.run(SAY, name=name)
    watch = over(sshd, engine.socket)
    async with watch.running():
        await auntil(lambda: all(len(watch.texts(name)) == 3 for name in names), 60)
        assert len(tunnels()) == 1
        await watch.source.control(names[0], "stop")
        await auntil(lambda: not watch.shown(names[0])["running"], 30)
    assert tunnels() == []


async def test_an_ssh_that_dies_is_started_again_and_reading_goes_on(
    engine: Engine, containers: Containers, sshd: Sshd
) -> None:
    tick = "i=0; while true; do i=$((i+1)); echo $i; usleep 20000; done"
    containers.run(tick, name="ticking")
    watch = over(sshd, engine.socket)
    async with watch.running():
        await auntil(lambda: len(watch.texts("ticking")) > 20, 60)
        for pid in tunnels():
            os.kill(int(pid), 9)
        least = len(watch.texts("ticking")) + 100
        await auntil(lambda: len(watch.texts("ticking")) >= least, 60)
    texts = watch.texts("ticking")
    assert texts == [str(number) for number in range(1, len(texts) + 1)]


@pytest.mark.parametrize(
    ("path", "key", "changed", "words"),
    [
        ("", "stranger", {}, "127.0.0.1 does not take our key"),
        ("", "user", {"known_hosts": "foreign"}, "the host key of 127.0.0.1"),
        ("/nowhere/docker.sock", "user", {}, "its socket cannot be opened on 127.0.0.1"),
    ],
)
async def test_what_is_wrong_with_ssh_is_said(
    engine: Engine, sshd: Sshd, path: str, key: str, changed: dict[str, str], words: str
) -> None:
    if changed:
        changed = {"known_hosts": sshd.foreign_known_hosts}
    told = await reason(over(sshd, path or engine.socket, key, **changed))
    assert words in told
    assert "PRIVATE KEY" not in told
    assert tunnels() == []


async def test_a_server_that_forwards_no_sockets_is_told(engine: Engine, tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", "AllowStreamLocalForwarding no") as sshd:
        assert "AllowStreamLocalForwarding" in await reason(over(sshd, engine.socket))


CHILD = """
import asyncio, sys
from pathlib import Path
from towline.sources.docker.address import Address
from towline.sources.docker.tunnel import tunnel

async def main():
    url, key, hosts = sys.argv[1], *(Path(path).read_text() for path in sys.argv[2:])
    async with tunnel(Address.parse(url), key, hosts):
        print("up", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_the_ssh_of_a_killed_towline_ends_with_it(
    engine: Engine, sshd: Sshd, tmp_path: Path
) -> None:
    hosts, log = tmp_path / "hosts", tmp_path / "log"
    hosts.write_text(sshd.known_hosts)
    arguments = [sshd.url(Path(engine.socket)), str(sshd.folder / "user"), str(hosts)]
    env = {"TMPDIR": str(tmp_path)}
    child = Process([sys.executable, "-c", CHILD, *arguments], log, env=env)
    child.start()
    until(lambda: log.exists() and "up" in log.read_text(), 60)
    assert len(tunnels()) == 1
    (folder,) = tmp_path.glob("towline-ssh-*")
    assert [path.name for path in folder.iterdir()] == ["docker.sock"]  # no key is left behind
    child.kill()
    until(lambda: not tunnels(), 30, "its ssh ends")
