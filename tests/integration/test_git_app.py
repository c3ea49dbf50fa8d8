"""A running Towline that follows a repository: commits are applied live, faulty ones are not."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.integration.git_app_rig import arrived, in_force, running, shown, told
from tests.integration.gitops_rig import FILE, Repository
from tests.real.broker import Broker, free_port
from tests.real.until import auntil
from towline.errors import ConfigError, EditError

FLEET = Path(__file__).parents[2] / "config" / "examples" / "fleet"


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
            answer = await towline.reload()
            assert (answer["outcome"], answer["changed"]) == ("applied", ["backends.one"])
            await in_force(towline, second)
            await auntil(lambda: arrived(listener, "git/second"))
            assert towline.parts()["sources.demo"] is source
            assert towline.status()["git"]["state"] == "up"
            assert await told(towline) == [
                ("info", f"repository in sync: commit {first[:10]} (the first, Ada) runs"),
                ("info", f"repository in sync: commit {second[:10]} (change, Ada) runs"),
            ]


async def test_until_the_first_commit_the_own_file_runs(
    broker: Broker, bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    async with running(bootstrap, tmp_path / "data") as towline:
        await auntil(lambda: shown(towline)["state"] == "branch gone")
        assert "sources.demo" not in towline.parts()
        first = repository.commit({FILE: followed(broker, "git/late")})
        assert (await towline.reload())["outcome"] == "applied"
        assert "sources.demo" in towline.parts()
        await in_force(towline, first)
        assert [level for level, _ in await told(towline)] == ["warn", "info"]


async def test_a_hang_up_signal_looks_for_a_new_commit(
    bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    first = repository.memory(1)
    async with running(bootstrap, tmp_path / "data") as towline:
        await in_force(towline, first)
        second = repository.memory(2)
        os.kill(os.getpid(), signal.SIGHUP)
        await in_force(towline, second)


async def test_a_reload_is_answered_with_what_became_of_the_newest_commit(
    bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    first = repository.memory(1)
    address = f"127.0.0.1:{free_port()}"
    async with running(bootstrap, tmp_path / "data", address) as towline:
        await in_force(towline, first)
        async with httpx.AsyncClient(base_url=f"http://{address}/api/v1", timeout=60) as client:
            second = repository.commit({FILE: "version: 1\nsources: {demo: {type: demo}}\n"})
            found = (await client.post("/config/reload")).json()
            assert (found["outcome"], found["added"]) == ("applied", ["sources.demo"])
            await in_force(towline, second)
            found = (await client.post("/config/reload")).json()
            assert (found["outcome"], found["added"]) == ("applied", [])
            assert (found["git"]["state"], found["git"]["running"]) == ("in sync", second)
            repository.commit({FILE: "version: 1\nsorces: {}\n"})
            refused = await client.post("/config/reload")
            assert refused.status_code == 422
            (problem,) = refused.json()["error"]["problems"]
            assert (problem["file"], problem["line"]) == (FILE, 2)


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
        with pytest.raises(ConfigError) as refused:
            await towline.reload()
        assert reason in refused.value.problems[0].text
        assert shown(towline)["state"] == "invalid"
        assert (shown(towline)["running"], shown(towline)["wanted"]) == (first, bad)
        [problem] = shown(towline)["problems"]
        assert problem["file"] == FILE
        assert reason in problem["message"]
        assert towline.status()["git"]["state"] == "degraded"
        assert towline.parts() == parts
        assert towline.config_text() == good
        await auntil(lambda: towline.status()["configuration"]["state"] == "up")


async def test_a_commit_that_cannot_be_opened_is_taken_back_and_tried_again_when_asked(
    broker: Broker, bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    api = f'api: {{listen: "127.0.0.1:{free_port()}"}}\n'
    bootstrap.write_text(bootstrap.read_text() + api)
    good = followed(broker, "git/rolled") + api
    first = repository.commit({FILE: good})
    async with running(bootstrap, tmp_path / "data", None) as towline:
        await in_force(towline, first)
        with socket.create_server(("127.0.0.1", 0)) as holder:
            taken = f'api: {{listen: "127.0.0.1:{holder.getsockname()[1]}"}}\n'
            second = repository.commit({FILE: good.replace(api, taken)})
            assert (await towline.reload())["outcome"] == "rolled back"
            await auntil(lambda: shown(towline)["state"] == "invalid")
            [problem] = shown(towline)["problems"]
            assert problem["code"] == "rolled_back"
            assert shown(towline)["running"] == first
            assert towline.config_text() == good
        assert (await towline.reload())["changed"] == ["api"]
        await in_force(towline, second)


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


async def test_a_reload_is_answered_though_its_commit_replaces_the_api_and_is_on_probation(
    bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    first = repository.memory(1)
    address = f"127.0.0.1:{free_port()}"
    token = f"{{name: us, hash: {'0a' * 32}, scopes: [read]}}"
    async with running(bootstrap, tmp_path / "data", address) as towline:
        await in_force(towline, first)
        api = towline.parts()["api"]
        repository.commit(
            {FILE: f"version: 1\nsources: {{}}\napi: {{tokens: [{token}]}}\napply: {{watch: 1h}}\n"}
        )
        async with httpx.AsyncClient(base_url=f"http://{address}/api/v1", timeout=60) as client:
            both = await asyncio.gather(*(client.post("/config/reload") for _ in range(2)))
        for answer in both:
            found = answer.json()
            assert "api" in found["changed"]
            assert found["probation"] == 3600
        await auntil(lambda: towline.parts()["api"] is not api)
        assert shown(towline)["says"].endswith("(change, Ada) is being applied")


async def test_a_device_of_the_example_fleet_runs_on_it(
    bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    bootstrap.write_text(bootstrap.read_text().replace("id: pi", "id: hall-pi"))
    secrets = bootstrap.with_name("secrets.yaml")
    secrets.write_bytes((FLEET / "secrets.example.yaml").read_bytes())
    files = [path for path in FLEET.rglob("*") if path.is_file()]
    tip = repository.commit({str(path.relative_to(FLEET)): path.read_bytes() for path in files})
    async with running(bootstrap, tmp_path / "data") as towline:
        await in_force(towline, tip)
        assert towline.device.name == "Pi in the hall"
        assert {"brokers.hub", "backends.mqtt"} <= towline.parts().keys()


async def test_what_happens_to_a_branch_is_shown_in_words(
    bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    first = repository.memory(1, "One")
    data = tmp_path / "data"
    async with running(bootstrap, data) as towline:

        async def says() -> str:
            found = (await towline.reload())["git"]
            said = f"{found['state']}: {found['says']}"
            assert towline.status()["git"]["reason"] in (said, None)
            return said

        await in_force(towline, first)
        second = repository.memory(2, "Two")
        await towline.reload()
        await in_force(towline, second)
        repository.reset(first)
        third = repository.memory(3, "Three")
        await towline.reload()
        runs = f"commit {third[:10]} (Three, Ada) runs"
        await auntil(lambda: shown(towline)["running"] == third)
        gone = f"a force-push took commit {second[:10]} out of the branch"
        assert shown(towline)["says"] == f"{gone}; {runs}"
        assert await says() == f"in sync: {runs}"
        (data / "config-git" / "current" / FILE).write_text("version: 1\n")
        await towline.reload()
        await auntil(lambda: shown(towline)["state"] == "edited locally")
        kept = shown(towline)["editsKept"]
        put_back = f"{FILE} was edited by hand and put back, the edits are in {kept}"
        repository.delete_branch()
        assert await says() == f"branch gone: the repository has no branch 'main'; {runs}"
        away = repository.bare.rename(repository.bare.with_name("away.git"))
        assert await says() == f"unreachable: there is no such repository; {runs}"
        away.rename(repository.bare)
        repository.push()
        assert await says() == f"in sync: {runs}"
        assert await told(towline) == [
            ("info", f"repository in sync: commit {first[:10]} (One, Ada) runs"),
            ("info", f"repository in sync: commit {second[:10]} (Two, Ada) runs"),
            ("warn", f"repository rewritten: {gone}; {runs}"),
            ("warn", f"repository edited locally: {put_back}; {runs}"),
            ("warn", f"repository branch gone: the repository has no branch 'main'; {runs}"),
            ("warn", f"repository unreachable: there is no such repository; {runs}"),
            ("info", f"repository in sync: {runs}"),
        ]


async def test_a_disk_that_does_not_take_a_commit_is_an_error_for_people(
    bootstrap: Path, repository: Repository, tmp_path: Path
) -> None:
    first = repository.memory(1)
    trees = tmp_path / "data" / "config-git" / "trees"
    async with running(bootstrap, tmp_path / "data") as towline:
        await in_force(towline, first)
        second = repository.memory(2)
        trees.rename(trees.with_name("hidden"))
        trees.touch()  # a file where a folder must be: not even root can write below it
        await towline.reload()
        assert shown(towline)["state"] == "behind"
        assert "the disk: " in towline.status()["git"]["reason"]
        level, text = (await told(towline))[-1]
        assert (level, text.split(":")[0]) == ("error", "repository behind")
        trees.unlink()
        trees.with_name("hidden").rename(trees)
        await towline.reload()
        await in_force(towline, second)


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
